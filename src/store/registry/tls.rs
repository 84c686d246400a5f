//! TLS: whom we trust, and whom we say we are.
//!
//! Owns the set-up of the HTTP clients. Refuses to skip a check: there is no setting for it.

use std::sync::{Arc, LazyLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::settings::{ClientIdentity, Network};
use crate::image::Code;
use crate::store::Error;
use crate::store::limits::OPEN_FILES_PER_IDLE_CONNECTION;

/// The certificates that are trusted everywhere. Read from disk when they are first needed, once for a run.
#[derive(Clone, Debug)]
pub struct Roots(Arc<LazyLock<Arc<RootCertStore>>>);

/// Whom a client trusts besides the `ca` of its registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// The shared roots.
    Roots,
    /// Nobody: it never speaks TLS.
    Nobody,
}

impl Roots {
    /// The system's certificates (`SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured), or Mozilla's, where a system has none.
    pub fn system() -> Self {
        Self(Arc::new(LazyLock::new(|| {
            let mut store = RootCertStore::empty();
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if store.is_empty() {
                store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            }
            Arc::new(store)
        })))
    }
}

/// The making of an HTTP client that trusts whom `trust` says (a `ca` in PEM, and others), and shows `identity` where a server asks for it.
///
/// It follows no redirect, sends no `Referer`, keeps no cookies, retries nothing and decodes nothing: all of that is decided
/// here, or must not happen.
pub(super) fn builder(
    network: &Network,
    trust: (Option<&[u8]>, Trust),
    identity: Option<&ClientIdentity>,
    transfers: usize,
) -> Result<reqwest::ClientBuilder, Error> {
    let (stream, connection) = windows(transfers);
    let builder = reqwest::ClientBuilder::new()
        .tls_backend_preconfigured(config(network, trust, identity)?)
        .user_agent(&network.user_agent)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .connect_timeout(network.limits.connect)
        .pool_max_idle_per_host(idle(transfers, network.open_files))
        .http2_initial_stream_window_size(stream)
        .http2_initial_connection_window_size(connection);
    network.proxies.apply(builder)
}

/// How many connections to an origin are kept for later: as many as may be under way (requests and uploads are counted
/// apart), but a small part of the open files that the system allows. Idle ones would be missing at other hosts.
fn idle(transfers: usize, open_files: Option<u64>) -> usize {
    let share = open_files.map(|files| usize::try_from(files / OPEN_FILES_PER_IDLE_CONNECTION).unwrap_or(usize::MAX));
    transfers.saturating_mul(2).min(share.unwrap_or(usize::MAX))
}

/// The windows of HTTP/2, in bytes: of one stream, and of all streams of a connection.
///
/// What is sent to us fills a window while its receiver is slow, and that is memory. HTTP/2's own 64 KiB would let through
/// less than 1 MB/s at 80 ms. The connection has room for all streams at once, and one more: with less, transfers to a slow
/// target could use it up, and everything else that the same registry sends would wait for them. So windows that adapt themselves are no way:
/// they are as large for one stream as for all.
fn windows(transfers: usize) -> (u32, u32) {
    const ALL: usize = 32 * 1024 * 1024;
    const LEAST: usize = 256 * 1024;
    const MOST: usize = 2 * 1024 * 1024;
    let transfers = transfers.max(1);
    let stream = (ALL / transfers).clamp(LEAST, MOST);
    // HTTP/2 ends at 2^31 - 1 (RFC 9113 §6.9.1).
    let most = (1 << 31) - 1;
    let connection =
        u32::try_from(stream.saturating_mul(transfers.saturating_add(1))).map_or(most, |size| size.min(most));
    (u32::try_from(stream).unwrap_or(most), connection)
}

/// The client in its final form.
pub(super) fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, Error> {
    builder.build().map_err(|error| set_up(format!("the HTTP client: {}", error.without_url())))
}

fn config(
    network: &Network,
    (ca, trust): (Option<&[u8]>, Trust),
    identity: Option<&ClientIdentity>,
) -> Result<ClientConfig, Error> {
    let mut roots = match trust {
        Trust::Roots => Arc::clone(&**network.roots.0),
        Trust::Nobody => Arc::new(RootCertStore::empty()),
    };
    if let Some(ca) = ca {
        let own = Arc::make_mut(&mut roots);
        for certificate in certificates(ca, "tls.ca")? {
            own.add(certificate).map_err(|error| set_up(format!("a certificate of `tls.ca`: {error}")))?;
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| set_up(error.to_string()))?
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain = certificates(&identity.chain, "tls.cert")?;
            let key = PrivateKeyDer::from_pem_slice(identity.key.expose().as_bytes())
                .map_err(|_| set_up("`tls.key` holds no private key in PEM".to_owned()))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| set_up(format!("`tls.cert`: {error}")))?
        }
    };
    // Without this a preconfigured client speaks HTTP/1.1 only.
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(pem: &[u8], name: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(set_up(format!("`{name}` holds no certificate in PEM"))),
    }
}

fn set_up(message: String) -> Error {
    Error::new(Code::Tls, "set up TLS", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Keychain, Secret};
    use crate::event::Silent;

    fn network() -> Network {
        Network::new("regsync-test", Arc::new(Keychain::fixed([].into())), Arc::new(Silent))
    }

    fn pair() -> (String, String) {
        let issued = rcgen::generate_simple_self_signed(vec!["registry.test".to_owned()]).unwrap();
        (issued.cert.pem(), issued.signing_key.serialize_pem())
    }

    #[test]
    fn a_ca_and_an_identity_are_taken() {
        let (chain, key) = pair();
        let identity = ClientIdentity { chain: chain.clone().into_bytes(), key: Secret::new(key) };
        let network = network();
        assert!(builder(&network, (Some(chain.as_bytes()), Trust::Roots), Some(&identity), 1).is_ok());
        let config = config(&network, (None, Trust::Nobody), None).unwrap();
        assert_eq!(config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    }

    #[test]
    fn a_connection_has_room_for_all_its_streams_and_memory_an_end() {
        for transfers in [1, 2, 8, 16, 32, 64] {
            let (stream, connection) = windows(transfers);
            assert_eq!(u64::from(connection), u64::from(stream) * (transfers as u64 + 1), "{transfers}");
            assert!((256 * 1024..=2 * 1024 * 1024).contains(&stream), "{transfers}");
            assert!(connection <= 34 * 1024 * 1024, "{transfers}");
        }
        assert_eq!(windows(0), windows(1));
        assert_eq!(windows(usize::MAX).1, (1 << 31) - 1);
    }

    #[test]
    fn what_is_not_pem_is_named() {
        let (chain, _) = pair();
        let network = network();
        let error = builder(&network, (Some(b"nothing"), Trust::Nobody), None, 1).expect_err("no certificate");
        assert!(error.to_string().contains("tls.ca"), "{error}");
        let identity = ClientIdentity { chain: chain.into_bytes(), key: Secret::new("hunter2") };
        let error = builder(&network, (None, Trust::Nobody), Some(&identity), 1).expect_err("no key");
        assert!(error.to_string().contains("tls.key") && !error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn idle_connections_leave_open_files_to_others() {
        assert_eq!(idle(8, None), 16);
        assert_eq!([64, 256, 1024, 10_240].map(|files| idle(8, Some(files))), [1, 4, 16, 16]);
        assert_eq!(idle(usize::MAX, Some(u64::MAX)), usize::try_from(u64::MAX / 64).unwrap_or(usize::MAX));
    }
}
