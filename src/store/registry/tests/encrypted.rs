//! TLS: HTTP/2, a registry's own authority, client certificates, and refusals.

use std::sync::Arc;

use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{Fixture, tag};
use crate::auth::Secret;
use crate::image::Code;
use crate::store::registry::{ClientIdentity, Settings};
use crate::store::{Error, ImageSource};

/// A certificate for 127.0.0.1 that is its own authority.
struct Issued {
    certificate: rustls::pki_types::CertificateDer<'static>,
    pem: String,
    key: String,
}

fn issue() -> Issued {
    let issued = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    Issued { certificate: issued.cert.der().clone(), pem: issued.cert.pem(), key: issued.signing_key.serialize_pem() }
}

fn server_config(own: &Issued, client: Option<&Issued>) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
    let builder = match client {
        None => builder.with_no_client_auth(),
        Some(client) => {
            let mut roots = RootCertStore::empty();
            roots.add(client.certificate.clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key = rustls::pki_types::pem::PemObject::from_pem_slice(own.key.as_bytes());
    let key: PrivateKeyDer<'static> = key.unwrap();
    let mut config = builder.with_single_cert(vec![own.certificate.clone()], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

/// Looks up a tag at a server that says 404 over HTTP/2, and 418 over anything else.
async fn look_up(config: ServerConfig, settings: &Settings) -> Result<bool, Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let serving = async {
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            connections.spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = hyper::service::service_fn(async |request: hyper::Request<hyper::body::Incoming>| {
                    let status = if request.version() == hyper::Version::HTTP_2 { 404 } else { 418 };
                    hyper::Response::builder().status(status).body(String::new())
                });
                let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    };
    let repository = Fixture::of(&address, None, settings).repository("a");
    let version = tag("1");
    tokio::select! {
        found = repository.resolve(&version) => found.map(|found| found.is_some()),
        () = serving => unreachable!("the server goes on"),
    }
}

#[tokio::test]
async fn a_registrys_own_authority_is_trusted_and_http_2_spoken() {
    let own = issue();
    let settings = Settings { ca: Some(own.pem.clone().into_bytes()), ..Settings::default() };
    assert_eq!(look_up(server_config(&own, None), &settings).await, Ok(false));
}

#[tokio::test]
async fn an_unknown_authority_is_refused_once() {
    let (own, other) = (issue(), issue());
    let settings = Settings { ca: Some(other.pem.into_bytes()), ..Settings::default() };
    let error = look_up(server_config(&own, None), &settings).await.unwrap_err();
    assert_eq!((error.code, error.attempts), (Code::Tls, 1), "{error}");
    assert!(error.hint.is_some());
}

#[tokio::test]
async fn a_client_certificate_is_shown() {
    let (own, client) = (issue(), issue());
    let identity = ClientIdentity { chain: client.pem.clone().into_bytes(), key: Secret::new(client.key.clone()) };
    let settings = Settings { ca: Some(own.pem.clone().into_bytes()), client: Some(identity), ..Settings::default() };
    assert_eq!(look_up(server_config(&own, Some(&client)), &settings).await, Ok(false));
    let without = Settings { client: None, ..settings };
    assert!(look_up(server_config(&own, Some(&client)), &without).await.is_err());
}

#[tokio::test]
async fn plain_http_behind_tls_is_a_clear_error() {
    let server = super::server::Server::start(|_| super::server::reply(404, &[], ""));
    let own = issue();
    let settings = Settings { ca: Some(own.pem.into_bytes()), ..Settings::default() };
    let error = Fixture::of(&server.host(), None, &settings).repository("a").resolve(&tag("1")).await.unwrap_err();
    assert_eq!((error.code, error.attempts), (Code::Tls, 1), "{error}");
    assert!(error.hint.as_deref().is_some_and(|hint| hint.contains("plain-http")), "{error:?}");
}
