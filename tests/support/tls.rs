//! A certificate authority of the test stage: server and client certificates, sound and unsound.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, date_time_ymd,
};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio_rustls::rustls::server::{ServerConfig, WebPkiClientVerifier};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// An authority with a fresh key.
pub struct TestCa {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// What is particular about a server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerCertificate {
    /// For `127.0.0.1` and `localhost`.
    Sound,
    /// Ended in 2021.
    Expired,
    /// For `other.example` only.
    WrongName,
}

/// A certificate and its key, both PEM.
pub struct ClientPair {
    pub certificate: String,
    pub key: String,
}

impl TestCa {
    /// A new authority.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "regsync test authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer }
    }

    /// The authority's own certificate: what a client has to trust.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A server that asks for no client certificate.
    pub fn server(&self, certificate: ServerCertificate) -> Arc<ServerConfig> {
        self.server_config(certificate, false)
    }

    /// A server with these names.
    pub fn server_named(&self, names: &[&str]) -> Arc<ServerConfig> {
        self.configure(names, ServerCertificate::Sound, false)
    }

    /// A server that refuses clients without a certificate of this authority.
    pub fn server_requiring_client_certificate(&self) -> Arc<ServerConfig> {
        self.server_config(ServerCertificate::Sound, true)
    }

    /// A client certificate of this authority.
    pub fn client_pair(&self) -> ClientPair {
        let mut params = CertificateParams::new(vec!["client.example".to_owned()]).unwrap();
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        ClientPair { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// A client that trusts this authority alone, and shows `pair` where asked.
    pub fn client_config(&self, pair: Option<&ClientPair>) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(self.roots());
        let config = match pair {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
        };
        Arc::new(config)
    }

    /// A `reqwest` client that trusts this authority alone, to be finished by the caller.
    pub fn client(&self) -> reqwest::ClientBuilder {
        let config = Arc::unwrap_or_clone(self.client_config(None));
        reqwest::Client::builder().tls_backend_preconfigured(config)
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        Arc::new(roots)
    }

    fn server_config(&self, certificate: ServerCertificate, asks_client: bool) -> Arc<ServerConfig> {
        let names: &[&str] = match certificate {
            ServerCertificate::WrongName => &["other.example"],
            _ => &["127.0.0.1", "localhost"],
        };
        self.configure(names, certificate, asks_client)
    }

    fn configure(&self, names: &[&str], certificate: ServerCertificate, asks_client: bool) -> Arc<ServerConfig> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        if certificate == ServerCertificate::Expired {
            (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        }
        let key = KeyPair::generate().unwrap();
        let chain = vec![params.signed_by(&key, &self.issuer).unwrap().der().clone()];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = if asks_client {
            let verifier = WebPkiClientVerifier::builder_with_provider(self.roots(), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }
}
