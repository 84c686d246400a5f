//! Credentials: Basic, the token flow on both kinds of realm, TLS with client certificates.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;

use crate::support::canary::{PREFIX, canary};
use crate::support::http::{Reply, parse, send, send_as};
use crate::support::images::zoo;
use crate::support::registry::{Auth, FakeRegistry, Options};
use crate::support::tls::{ServerCertificate, TestCa};
use crate::support::token::{Access, Account, Issuer, IssuerOptions, TokenField, TokenServer};

fn with_auth(auth: Auth) -> FakeRegistry {
    FakeRegistry::with(Options { auth, ..Options::default() })
}

fn bearer(method: &str, url: &str, token: &str) -> Reply {
    send(method, url, &[("Authorization", &format!("Bearer {token}"))], &[]).unwrap()
}

fn token(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["token"].as_str().unwrap().to_owned()
}

#[test]
fn basic_lets_in_who_knows_the_password() {
    let password = canary("basic");
    let registry = with_auth(Auth::basic("user", &password));
    let url = format!("{}/v2/", registry.url());
    let refused = send("GET", &url, &[], &[]).unwrap();
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Basic realm=\"registry\"")));
    assert_eq!(send_as(Some("user:wrong"), "GET", &url, &[], &[]).unwrap().status, 401);
    assert_eq!(send_as(Some(&format!("user:{password}")), "GET", &url, &[], &[]).unwrap().status, 200);
}

#[test]
fn a_token_is_good_for_its_scope_and_no_further() {
    let password = canary("writer");
    let accounts = vec![Account::new("writer", &password, Access::PullPush)];
    let tokens = TokenServer::start(IssuerOptions { accounts, anonymous: Access::Pull, ..IssuerOptions::default() });
    let registry = with_auth(Auth::bearer_at(&tokens));
    zoo::artifact("token").push_to(&registry, "app", "1");
    let (tags, uploads) =
        (format!("{}/v2/app/tags/list", registry.url()), format!("{}/v2/app/blobs/uploads/", registry.url()));

    let refused = send("GET", &tags, &[], &[]).unwrap();
    let challenge =
        format!("Bearer realm=\"{}\",service=\"registry.test\",scope=\"repository:app:pull\"", tokens.realm());
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some(challenge.as_str())));

    let ask = |scope: &str, login: Option<&str>| {
        let url = format!("{}?service=registry.test&scope={scope}&client_id=test", tokens.realm());
        send_as(login, "GET", &url, &[], &[]).unwrap()
    };
    let pull_only = token(&ask("repository:app:pull%2Cpush", None));
    assert!(pull_only.starts_with(PREFIX));
    assert_eq!(bearer("GET", &tags, &pull_only).status, 200);
    let refused = bearer("POST", &uploads, &pull_only);
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(challenge.ends_with("scope=\"repository:app:pull,push\",error=\"insufficient_scope\""), "{challenge}");

    let login = format!("writer:{password}");
    let both = token(&ask("repository:app:pull,push", Some(&login)));
    assert_eq!(bearer("POST", &uploads, &both).status, 202);
    assert_eq!(bearer("GET", &format!("{}/v2/other/tags/list", registry.url()), &both).status, 401);
    assert_eq!(ask("repository:app:pull", Some("writer:wrong")).status, 401);

    tokens.issuer().revoke_all();
    assert!(bearer("GET", &tags, &both).header("www-authenticate").unwrap().ends_with("error=\"invalid_token\""));

    let asked = tokens.issuer().token_requests();
    assert_eq!(asked.iter().map(|request| request.status).collect::<Vec<_>>(), [200, 200, 401]);
    assert_eq!(asked[1].scopes, ["repository:app:pull,push"]);
    assert_eq!((asked[1].user.as_deref(), asked[1].client_id.as_deref()), (Some("writer"), Some("test")));
}

#[test]
fn a_mount_needs_both_scopes() {
    let issuer = Issuer::new(IssuerOptions::default());
    let registry = with_auth(Auth::bearer(&issuer));
    let digest = registry.put_blob("base", "shared");
    let url = format!("{}/v2/app/blobs/uploads/?mount={digest}&from=base", registry.url());
    let refused = send("POST", &url, &[], &[]).unwrap();
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(challenge.contains(&format!("realm=\"{}/token\"", registry.url())), "{challenge}");
    assert!(challenge.contains("scope=\"repository:app:pull,push repository:base:pull\""), "{challenge}");
}

#[test]
fn an_identity_token_is_exchanged_by_post() {
    let mut account = Account::new("user", &canary("password"), Access::Pull);
    account.identity_token = Some(canary("identity"));
    let options = IssuerOptions {
        accounts: vec![account],
        field: TokenField::AccessToken,
        expires_in: None,
        lifetime: Duration::ZERO,
        ..IssuerOptions::default()
    };
    let issuer = Issuer::new(options);
    let registry = with_auth(Auth::bearer(&issuer));
    let form = format!(
        "grant_type=refresh_token&refresh_token={}&scope=repository%3Aa%3Apull+repository:b:pull",
        canary("identity")
    );
    let reply = send("POST", &format!("{}/token", registry.url()), &[], form.as_bytes()).unwrap();
    let body = reply.json();
    assert!(body["token"].is_null() && body["expires_in"].is_null());
    assert_eq!(issuer.token_requests()[0].scopes, ["repository:a:pull", "repository:b:pull"]);
    // It lives for no time at all, whatever it says.
    let expired = bearer("GET", &format!("{}/v2/a/tags/list", registry.url()), body["access_token"].as_str().unwrap());
    assert!(expired.header("www-authenticate").unwrap().contains("invalid_token"));
    registry.assert_read_only();
}

async fn get_over_tls(registry: &FakeRegistry, client: Arc<ClientConfig>) -> std::io::Result<Reply> {
    let stream = TcpStream::connect(registry.host()).await?;
    let name = "127.0.0.1".try_into().unwrap();
    let mut stream = TlsConnector::from(client).connect(name, stream).await?;
    let request = format!("GET /v2/ HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", registry.host());
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    parse(&bytes, false)
}

#[tokio::test]
async fn tls_is_as_sound_as_its_certificates() {
    let ca = TestCa::new();
    let with_tls = |tls| FakeRegistry::with(Options { tls: Some(tls), ..Options::default() });
    let sound = with_tls(ca.server(ServerCertificate::Sound));
    assert!(sound.url().starts_with("https://127.0.0.1:"));
    assert_eq!(get_over_tls(&sound, ca.client_config(None)).await.unwrap().status, 200);
    assert!(get_over_tls(&sound, TestCa::new().client_config(None)).await.is_err());
    for unsound in [ServerCertificate::Expired, ServerCertificate::WrongName] {
        assert!(get_over_tls(&with_tls(ca.server(unsound)), ca.client_config(None)).await.is_err());
    }
    let private = with_tls(ca.server_requiring_client_certificate());
    assert!(get_over_tls(&private, ca.client_config(None)).await.is_err());
    assert_eq!(get_over_tls(&private, ca.client_config(Some(&ca.client_pair()))).await.unwrap().status, 200);
    assert_eq!(private.requests().len(), 1);
}
