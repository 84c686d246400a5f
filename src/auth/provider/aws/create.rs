//! Repositories of ECR, made before the first write into them.
//! <https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html>
//!
//! Refuses to make one in another account than the registry's host names.

use serde_json::{Map, Value, json};

use super::api::Api;
use super::place::Place;
use super::request::{self, Call};
use super::sigv4::Signer;
use super::{Aws, Principal, ecr, refusal};
use crate::auth::ProviderError;
use crate::auth::exchange::Exchange;
use crate::image::{Creation, Encryption, Repository};

impl Api {
    /// Makes `repository`, as `aws`. One after the other: ECR takes few of these requests in a second. That somebody else
    /// was faster is no error. Where the session of the keys has ended, others are got, once.
    pub(in crate::auth) async fn make(
        &self,
        (aws, exchange): (&Aws, &Exchange),
        repository: &Repository,
        creation: &Creation,
    ) -> Result<(), ProviderError> {
        let registry = repository.registry();
        let place = aws.place(exchange, registry)?;
        let asker = (aws.clone(), registry.clone());
        let _turn = self.making.lock().await;
        let principal = self.principal(exchange, &asker, &place).await?;
        let made = make(exchange, (&place, &principal), repository, creation).await;
        if made.is_ok() {
            return Ok(());
        }
        self.forget(&asker).await;
        match made {
            Err(Unmade::Expired(_)) => {
                let principal = self.principal(exchange, &asker, &place).await?;
                let made = make(exchange, (&place, &principal), repository, creation).await;
                if made.is_err() {
                    self.forget(&asker).await;
                }
                made.map_err(Unmade::problem)
            }
            made => made.map_err(Unmade::problem),
        }
    }
}

/// Why a repository was not made.
enum Unmade {
    /// The session of the keys has ended.
    Expired(ProviderError),
    Refused(ProviderError),
}

impl Unmade {
    fn problem(self) -> ProviderError {
        match self {
            Self::Expired(problem) | Self::Refused(problem) => problem,
        }
    }
}

async fn make(
    exchange: &Exchange,
    (place, principal): (&Place, &Principal),
    repository: &Repository,
    creation: &Creation,
) -> Result<(), Unmade> {
    let body = body(place, repository, creation).to_string();
    let call = Call {
        what: "the repository",
        endpoint: place.ecr(exchange).map_err(Unmade::Refused)?,
        signer: Signer { keys: &principal.keys, region: &place.region, service: "ecr" },
        kind: ecr::KIND,
        target: Some("AmazonEC2ContainerRegistry_V20150921.CreateRepository"),
        body: &body,
        limit: None,
    };
    let answer = request::send(exchange, &call).await.map_err(Unmade::Refused)?;
    if answer.is_success() || request::code(&answer) == "RepositoryAlreadyExistsException" {
        return Ok(());
    }
    let problem = refusal::of_creation(exchange, &answer, (repository, creation), principal);
    Err(if request::is_expired(&answer) { Unmade::Expired(problem) } else { Unmade::Refused(problem) })
}

fn body(place: &Place, repository: &Repository, creation: &Creation) -> Value {
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
    put("repositoryName", json!(repository.name()));
    if let Some(account) = &place.account {
        put("registryId", json!(account));
    }
    if creation.immutable_tags {
        put("imageTagMutability", json!("IMMUTABLE"));
    }
    if creation.scan_on_push {
        put("imageScanningConfiguration", json!({"scanOnPush": true}));
    }
    match &creation.encryption {
        Some(Encryption::Aes256) => drop(put("encryptionConfiguration", json!({"encryptionType": "AES256"}))),
        Some(Encryption::Kms(None)) => drop(put("encryptionConfiguration", json!({"encryptionType": "KMS"}))),
        Some(Encryption::Kms(Some(key))) => {
            put("encryptionConfiguration", json!({"encryptionType": "KMS", "kmsKey": key}));
        }
        None => {}
    }
    if !creation.tags.is_empty() {
        let tags = creation.tags.iter().map(|(name, value)| json!({"Key": name, "Value": value}));
        put("tags", tags.collect());
    }
    Value::Object(body)
}
