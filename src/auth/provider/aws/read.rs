//! What many tags of a repository name, in one request.
//! <https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_BatchGetImage.html>
//!
//! Owns what is believed of the answer. Of a tag: its image, where the manifest that comes with it has the digest that is
//! stated, or that there is none, where just that is said of it (`ImageNotFound`). Of all tags: that there is no such
//! repository. Whatever is doubtful is left to the registry itself. Refuses hosts that do not name the account that they
//! belong to: the same name may be another's repository.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use serde::Deserialize;
use serde_json::json;

use super::api::{Api, Asker};
use super::place::Place;
use super::request::{self, Call};
use super::sigv4::Signer;
use super::{Aws, Principal, ecr, refusal};
use crate::auth::ProviderError;
use crate::auth::exchange::{Answer, Exchange};
use crate::auth::mutex::lock;
use crate::image::{Descriptor, Digest, MediaType, Registry, Repository, Tag};

/// How many bytes of an answer are read: room for 40 KiB of each of a hundred manifests. What is larger is not worth it.
const ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// All that ECR keeps, so that nothing is converted: the documentation names fewer. An image of another type would be said
/// not to be there.
const ACCEPTED: [&str; 6] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
];

/// What a cloud says of some tags of one of its repositories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// There is no such repository.
    NoRepository,
    /// What each names, or that it is not there. What is known of no tag is not in it.
    Tags(BTreeMap<Tag, Option<Descriptor>>),
}

/// What became of those who asked.
pub(super) type Standings = Mutex<HashMap<Asker, Arc<tokio::sync::Mutex<Standing>>>>;

/// What is known of who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing yet: one request finds out, and the others wait for it.
    #[default]
    Unknown,
    /// The answers are of use.
    Served,
    /// A refusal, which is not asked for again.
    Refused,
}

/// Why nothing came of a request.
struct Failed {
    problem: ProviderError,
    /// Whether the next one fares no better.
    lasts: bool,
    /// Whether the session of the keys has ended.
    expired: bool,
}

impl Api {
    /// Whether tags of `registry` can be read here: by its name alone.
    pub(in crate::auth) fn reads(registry: &Registry) -> bool {
        Place::of(registry).is_some_and(|place| place.account.is_some())
    }

    /// What `tags` of `repository` name, read as `aws`: at most 100, in one request. `None` where nothing came of it.
    pub(in crate::auth) async fn read(
        &self,
        (aws, exchange): (&Aws, &Exchange),
        repository: &Repository,
        tags: &[Tag],
    ) -> Option<Reading> {
        let asker = (aws.clone(), repository.registry().clone());
        let standing = Arc::clone(lock(&self.standings).entry(asker.clone()).or_default());
        let mut known = standing.lock().await;
        let outcome = match *known {
            Standing::Refused => return None,
            Standing::Unknown => self.ask(exchange, &asker, (repository, tags)).await,
            Standing::Served => {
                drop(known);
                let outcome = self.ask(exchange, &asker, (repository, tags)).await;
                known = standing.lock().await;
                outcome
            }
        };
        match outcome {
            Ok(reading) => {
                *known = if *known == Standing::Refused { Standing::Refused } else { Standing::Served };
                Some(reading)
            }
            Err(Failed { problem, lasts, .. }) => {
                tracing::debug!(%repository, %problem, lasts, "its tags are read one by one");
                if lasts {
                    *known = Standing::Refused;
                    self.forget(&asker).await;
                }
                None
            }
        }
    }

    /// Where the session of the keys has ended, others are got, once.
    async fn ask(&self, exchange: &Exchange, asker: &Asker, wanted: (&Repository, &[Tag])) -> Result<Reading, Failed> {
        match self.once(exchange, asker, wanted).await {
            Err(Failed { expired: true, .. }) => {
                self.forget(asker).await;
                self.once(exchange, asker, wanted).await
            }
            outcome => outcome,
        }
    }

    async fn once(
        &self,
        exchange: &Exchange,
        asker: &Asker,
        (repository, tags): (&Repository, &[Tag]),
    ) -> Result<Reading, Failed> {
        let (aws, registry) = asker;
        let lasting = |problem| Failed { problem, lasts: true, expired: false };
        let place = aws.place(exchange, registry).map_err(lasting)?;
        let principal = self.principal(exchange, asker, &place).await.map_err(lasting)?;
        let body = json!({
            "registryId": place.account,
            "repositoryName": repository.name(),
            "imageIds": tags.iter().map(|tag| json!({"imageTag": tag.as_str()})).collect::<Vec<_>>(),
            "acceptedMediaTypes": ACCEPTED,
        });
        let call = Call {
            what: "the images of tags",
            endpoint: place.ecr(exchange).map_err(lasting)?,
            signer: Signer { keys: &principal.keys, region: &place.region, service: "ecr" },
            kind: ecr::KIND,
            target: Some("AmazonEC2ContainerRegistry_V20150921.BatchGetImage"),
            body: &body.to_string(),
            limit: Some(ANSWER_BYTES),
        };
        let answer = request::send(exchange, &call).await.map_err(lasting)?;
        if !answer.is_success() {
            return refused(exchange, &answer, &principal);
        }
        // What is too large may be so because of these images.
        let wire: Wire = answer.json().map_err(|problem| Failed { problem, lasts: false, expired: false })?;
        Ok(Reading::Tags(wire.known(tags, &(place.account, repository.name()))))
    }
}

fn refused(exchange: &Exchange, answer: &Answer, principal: &Principal) -> Result<Reading, Failed> {
    /// What it says of one request, not of who asks.
    const PASSING: [&str; 3] =
        ["InvalidParameterException", "LimitExceededException", "UnableToGetUpstreamImageException"];
    let code = request::code(answer);
    if code == "RepositoryNotFoundException" {
        return Ok(Reading::NoRepository);
    }
    // What is too much for it stays so after all repetitions: the registry's own pace is kept for the rest of the run.
    let lasts = !PASSING.contains(&code.as_str());
    let problem = refusal::of_reading(exchange, answer, principal);
    Err(Failed { problem, lasts, expired: request::is_expired(answer) })
}

#[derive(Deserialize)]
struct Wire {
    images: Option<Vec<Image>>,
    failures: Option<Vec<Failure>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Image {
    registry_id: Option<String>,
    repository_name: Option<String>,
    #[serde(rename = "imageId")]
    id: Id,
    #[serde(rename = "imageManifest")]
    manifest: Option<String>,
    #[serde(rename = "imageManifestMediaType")]
    media_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    image_id: Id,
    failure_code: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Id {
    image_tag: Option<String>,
    image_digest: Option<String>,
}

impl Wire {
    /// What is believed of each of the tags that were asked for. What is said of one twice is not.
    fn known(&self, asked: &[Tag], whose: &(Option<String>, &str)) -> BTreeMap<Tag, Option<Descriptor>> {
        let mut said: HashMap<&str, Vec<Option<Option<Descriptor>>>> = HashMap::new();
        for image in self.images.iter().flatten() {
            said.entry(image.id.tag()).or_default().push(image.descriptor(whose).map(Some));
        }
        for failure in self.failures.iter().flatten() {
            let absent = failure.failure_code.as_deref() == Some("ImageNotFound");
            said.entry(failure.image_id.tag()).or_default().push(absent.then_some(None));
        }
        let known = asked.iter().filter_map(|tag| match said.get(tag.as_str())?.as_slice() {
            [Some(named)] => Some((tag.clone(), named.clone())),
            _ => None,
        });
        known.collect()
    }
}

impl Id {
    fn tag(&self) -> &str {
        self.image_tag.as_deref().unwrap_or_default()
    }
}

impl Image {
    /// As the registry's own headers would describe it; `None` where it is another repository's, or anything does not fit.
    fn descriptor(&self, (account, repository): &(Option<String>, &str)) -> Option<Descriptor> {
        let elsewhere = self.registry_id.is_some() && self.registry_id != *account
            || self.repository_name.as_ref().is_some_and(|name| name != repository);
        let digest: Digest = self.id.image_digest.as_ref()?.parse().ok()?;
        let bytes = self.manifest.as_ref().filter(|text| !text.is_empty())?.as_bytes();
        let media_type = self.media_type.as_ref().filter(|text| !text.is_empty())?;
        let fits = !elsewhere && digest.matches(bytes);
        fits.then(|| Descriptor::new(MediaType::new(media_type), digest, bytes.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::LOOK_ALIKES;

    #[test]
    fn only_hosts_of_an_account_are_read() {
        let reads = |host: &str| Api::reads(&host.parse().unwrap());
        for host in ["123456789012.dkr.ecr.eu-west-1.amazonaws.com", "123456789012.dkr-ecr-fips.us-east-1.on.aws"] {
            assert!(reads(host), "{host}");
        }
        for host in
            LOOK_ALIKES.into_iter().chain(["public.ecr.aws", "ecr-public.aws.com", "docker.io", "localhost:5000"])
        {
            assert!(!reads(host), "{host}");
        }
    }
}
