//! Where a registry of AWS is, and the endpoints that belong to it: read from its host, not from the environment.
//!
//! | host | endpoint for its tokens |
//! |---|---|
//! | `<account>.dkr.ecr.<region>.<suffix>` | `api.ecr.<region>.<suffix>` |
//! | `<account>.dkr.ecr-fips.<region>.<suffix>` | `ecr-fips.<region>.<suffix>` |
//! | `<account>.dkr-ecr[-fips].<region>.on.aws` (dual-stack) | `ecr[-fips].<region>.api.aws` |
//! | `public.ecr.aws`, `ecr-public.aws.com` | `api.ecr-public.us-east-1.amazonaws.com` |
//! | one that the environment binds | by `region`, or `AWS_REGION` |
//!
//! <https://docs.aws.amazon.com/general/latest/gr/ecr.html>. Refuses all other hosts, whatever the environment says of regions.

use crate::auth::exchange::{Endpoint, Exchange};
use crate::auth::provider::ambient::is_bound;
use crate::auth::{Environment, ProviderError};
use crate::image::{AwsPartition, EcrHost, Registry};

/// A registry's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The account that the registry belongs to, where its host says so.
    pub(super) account: Option<String>,
    pub(super) region: String,
    pub(super) partition: &'static AwsPartition,
    /// Whether it is ECR Public, whose API is in one region.
    pub(super) is_public: bool,
    is_fips: bool,
    is_dual: bool,
}

impl Place {
    /// The place of `registry`: by its name, or else by `region` of the configuration or the environment's, where the
    /// environment says that it is AWS's.
    pub(super) fn at(
        registry: &Registry,
        region: Option<&str>,
        environment: &Environment,
    ) -> Result<Self, ProviderError> {
        if let Some(place) = Self::of(registry) {
            return Ok(place);
        }
        if is_bound(registry, environment, "aws") {
            return Self::bound(region, environment);
        }
        // A password of AWS is shown to nobody else, whatever the name looks like.
        let hint = match registry.in_variable() {
            Some(host) => format!("whoever runs regsync can say that it is: `REGSYNC_PROVIDER_{host}=aws`"),
            None => "give it a name: `REGSYNC_PROVIDER_<HOST>` cannot name an IPv6 address".to_owned(),
        };
        Err(ProviderError::Absent { missing: format!("{registry} is no host of Amazon ECR"), hint })
    }

    /// The place of a registry that is AWS's by its name.
    pub(super) fn of(registry: &Registry) -> Option<Self> {
        let host = EcrHost::of(registry)?;
        Some(Self {
            account: host.account.map(str::to_owned),
            region: host.region.to_owned(),
            partition: host.partition,
            is_public: host.is_public(),
            is_fips: host.is_fips,
            is_dual: host.is_dual,
        })
    }

    /// The place of a registry that is AWS's because the environment says so: `region` is the configuration's.
    fn bound(region: Option<&str>, environment: &Environment) -> Result<Self, ProviderError> {
        let named =
            ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().find_map(|name| Some((name, environment.get(name)?)));
        let (name, region) =
            region.map(|region| ("region", region)).or(named).ok_or_else(|| ProviderError::Absent {
                missing: "the host names no region, and neither does anything else".to_owned(),
                hint: "write `region: …` beside `role`, or set `AWS_REGION`".to_owned(),
            })?;
        let problem = "is not the name of a region";
        let partition =
            AwsPartition::of(region).ok_or_else(|| ProviderError::Variable { name: name.into(), problem })?;
        Ok(Self {
            account: None,
            region: region.to_owned(),
            partition,
            is_public: false,
            is_fips: false,
            is_dual: false,
        })
    }

    /// Where this registry's API is.
    pub(super) fn ecr(&self, exchange: &Exchange) -> Result<Endpoint, ProviderError> {
        let (region, suffix) = (&self.region, self.partition.suffix);
        if self.is_public {
            return endpoint(exchange, "ECR_PUBLIC", &format!("https://api.ecr-public.{region}.{suffix}/"));
        }
        let fips = if self.is_fips(exchange) { "-fips" } else { "" };
        let host = match self.partition.dual {
            Some((_, dual)) if self.is_dual => format!("ecr{fips}.{region}.{dual}"),
            _ if fips.is_empty() => format!("api.ecr.{region}.{suffix}"),
            _ => format!("ecr-fips.{region}.{suffix}"),
        };
        endpoint(exchange, "ECR", &format!("https://{host}/"))
    }

    /// Where sessions are given out. In the region itself: a token of the global endpoint is not valid everywhere.
    pub(super) fn sts(&self, exchange: &Exchange) -> Result<Endpoint, ProviderError> {
        // The plain endpoints of GovCloud are FIPS endpoints (AWS STS, "Endpoints and quotas").
        let fips = if self.is_fips(exchange) && self.partition.name == "aws" { "-fips" } else { "" };
        let dual = exchange.environment.get("AWS_USE_DUALSTACK_ENDPOINT") == Some("true");
        let suffix = self.partition.dual.filter(|_| dual).map_or(self.partition.suffix, |(_, api)| api);
        endpoint(exchange, "STS", &format!("https://sts{fips}.{}.{suffix}/", self.region))
    }

    /// The audience that IAM expects of ID tokens.
    pub(super) fn audience(&self) -> &'static str {
        if self.partition.name == "aws-cn" { "sts.amazonaws.com.cn" } else { "sts.amazonaws.com" }
    }

    fn is_fips(&self, exchange: &Exchange) -> bool {
        self.is_fips || exchange.environment.get("AWS_USE_FIPS_ENDPOINT") == Some("true")
    }
}

/// Elsewhere only where the environment says so, as all of AWS's tools do it.
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>
fn endpoint(exchange: &Exchange, service: &str, own: &str) -> Result<Endpoint, ProviderError> {
    if exchange.environment.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") == Some("true") {
        return Ok(Endpoint::fixed(own));
    }
    for name in [&format!("AWS_ENDPOINT_URL_{service}"), "AWS_ENDPOINT_URL"] {
        if let Some(url) = exchange.environment.get(name) {
            return Endpoint::given(name, url).map(|endpoint| endpoint.with_path("/"));
        }
    }
    Ok(Endpoint::fixed(own))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Surroundings;
    use crate::image::LOOK_ALIKES;

    /// Endpoints of ECR and STS for a host, with these variables.
    fn endpoints(host: &str, variables: &[(&str, &str)]) -> (String, String) {
        let environment: Environment = variables.iter().copied().collect();
        let exchange = Exchange::new(Surroundings::from(environment));
        let place = Place::of(&host.parse().unwrap()).unwrap();
        (place.ecr(&exchange).unwrap().audience(), place.sts(&exchange).unwrap().audience())
    }

    #[test]
    fn the_host_says_where_it_is() {
        let cases = [
            ("dkr.ecr.eu-west-1.amazonaws.com", "api.ecr.eu-west-1.amazonaws.com", "sts.eu-west-1.amazonaws.com"),
            (
                "dkr.ecr.cn-north-1.amazonaws.com.cn",
                "api.ecr.cn-north-1.amazonaws.com.cn",
                "sts.cn-north-1.amazonaws.com.cn",
            ),
            (
                "dkr.ecr.us-gov-west-1.amazonaws.com",
                "api.ecr.us-gov-west-1.amazonaws.com",
                "sts.us-gov-west-1.amazonaws.com",
            ),
            (
                "dkr.ecr-fips.us-gov-west-1.amazonaws.com",
                "ecr-fips.us-gov-west-1.amazonaws.com",
                "sts.us-gov-west-1.amazonaws.com",
            ),
            (
                "dkr.ecr-fips.us-east-2.amazonaws.com",
                "ecr-fips.us-east-2.amazonaws.com",
                "sts-fips.us-east-2.amazonaws.com",
            ),
            ("dkr-ecr.us-east-1.on.aws", "ecr.us-east-1.api.aws", "sts.us-east-1.amazonaws.com"),
            ("dkr-ecr-fips.us-east-1.on.aws", "ecr-fips.us-east-1.api.aws", "sts-fips.us-east-1.amazonaws.com"),
            (
                "dkr-ecr.cn-north-1.on.amazonwebservices.com.cn",
                "ecr.cn-north-1.api.amazonwebservices.com.cn",
                "sts.cn-north-1.amazonaws.com.cn",
            ),
            (
                "dkr.ecr.eusc-de-east-1.amazonaws.eu",
                "api.ecr.eusc-de-east-1.amazonaws.eu",
                "sts.eusc-de-east-1.amazonaws.eu",
            ),
            (
                "dkr.ecr.us-isob-east-1.sc2s.sgov.gov",
                "api.ecr.us-isob-east-1.sc2s.sgov.gov",
                "sts.us-isob-east-1.sc2s.sgov.gov",
            ),
        ];
        for (host, ecr, sts) in cases {
            let (ecr, sts) = (format!("https://{ecr}/"), format!("https://{sts}/"));
            assert_eq!(endpoints(&format!("123456789012.{host}"), &[]), (ecr, sts), "{host}");
        }
        let public = (
            "https://api.ecr-public.us-east-1.amazonaws.com/".to_owned(),
            "https://sts.us-east-1.amazonaws.com/".to_owned(),
        );
        assert_eq!(endpoints("public.ecr.aws", &[("AWS_REGION", "eu-west-1")]), public);
    }

    #[test]
    fn a_name_that_only_looks_like_it_has_no_place() {
        for host in LOOK_ALIKES.into_iter().chain(["docker.io"]) {
            assert_eq!(Place::of(&host.parse().unwrap()), None, "{host}");
        }
    }

    #[test]
    fn the_environment_may_say_otherwise() {
        let host = "123456789012.dkr.ecr.us-east-1.amazonaws.com";
        let one = [("AWS_ENDPOINT_URL", "https://all.example/x"), ("AWS_ENDPOINT_URL_ECR", "http://127.0.0.1:9/")];
        assert_eq!(endpoints(host, &one), ("http://127.0.0.1:9/".to_owned(), "https://all.example/".to_owned()));
        let ignored = [one[0], one[1], ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")];
        assert_eq!(endpoints(host, &ignored).0, "https://api.ecr.us-east-1.amazonaws.com/");
        let both = [("AWS_USE_FIPS_ENDPOINT", "true"), ("AWS_USE_DUALSTACK_ENDPOINT", "true")];
        assert_eq!(
            endpoints(host, &both),
            ("https://ecr-fips.us-east-1.amazonaws.com/".into(), "https://sts-fips.us-east-1.api.aws/".into())
        );
    }

    /// `AWS_REGION` alone makes no host one of AWS's.
    #[test]
    fn a_host_is_bound_by_its_name_or_by_the_environment() {
        let region = [("AWS_REGION", "eu-west-1")];
        let at = |host: &str, variables: &[(&str, &str)]| {
            Place::at(&host.parse().unwrap(), Some("eu-west-1"), &variables.iter().copied().collect())
        };
        for host in LOOK_ALIKES.into_iter().chain(["docker.io", "[::1]:5000"]) {
            assert!(matches!(at(host, &region), Err(ProviderError::Absent { .. })), "{host}");
        }
        let (host, variable) = ("registry.example.com", "REGSYNC_PROVIDER_REGISTRY_EXAMPLE_COM");
        assert_eq!(at(host, &[(variable, "aws")]).unwrap().region, "eu-west-1");
        assert!(at(host, &[(variable, "gcp")]).is_err());
        let own = at("123456789012.dkr.ecr.us-east-1.amazonaws.com", &region).unwrap();
        assert_eq!(own.region, "us-east-1", "what the host says");
    }

    #[test]
    fn a_bound_host_needs_a_region() {
        let environment: Environment = [("AWS_DEFAULT_REGION", "cn-north-1")].into_iter().collect();
        assert_eq!(Place::bound(None, &environment).unwrap().partition.name, "aws-cn");
        assert_eq!(Place::bound(Some("us-iso-east-1"), &environment).unwrap().partition.name, "aws-iso");
        assert!(Place::bound(None, &Environment::default()).is_err());
        for wrong in ["eu.west", "a/b", "xn--a", "EU-WEST-1", "-a-", "x@y", "s3", "s3-us-west-2", "s3-accelerate"] {
            assert!(Place::bound(Some(wrong), &environment).is_err(), "{wrong}");
        }
    }
}
