//! Hosts of Amazon ECR, and the regions and partitions of AWS that they are in. Pure.
//!
//! Owns which names are AWS's own: credentials of AWS go to these, and the label of the region picks the service that is
//! shown an ID token. Refuses labels that are no region (`s3-us-west-2`), and regions under the suffix of another partition.
//!
//! The hosts: amazon-ecr-credential-helper, `registry.go`. The regions: botocore, `partitions.json`, `regionRegex`.

use super::Registry;

/// What the host of a registry says of its place at AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EcrHost<'h> {
    /// The account that the registry belongs to; `None` for ECR Public.
    pub account: Option<&'h str>,
    /// The region of the registry; for ECR Public, that of its API.
    pub region: &'h str,
    /// The partition that the region is in.
    pub partition: &'static AwsPartition,
    /// Whether it is an endpoint with validated cryptography.
    pub is_fips: bool,
    /// Whether it is an endpoint with IPv6.
    pub is_dual: bool,
}

/// A part of AWS with accounts of its own.
#[derive(Debug, PartialEq, Eq)]
pub struct AwsPartition {
    /// As in ARNs.
    pub name: &'static str,
    /// What its APIs' and registries' names end in.
    pub suffix: &'static str,
    /// What the names of registries with IPv6 end in, and those of APIs with IPv6.
    pub dual: Option<(&'static str, &'static str)>,
    /// What its regions begin with; `<name>-<number>` follows.
    regions: &'static [&'static str],
}

static PARTITIONS: [AwsPartition; 8] = [
    AwsPartition {
        name: "aws",
        suffix: "amazonaws.com",
        dual: Some(("on.aws", "api.aws")),
        regions: &["us-", "eu-", "ap-", "sa-", "ca-", "me-", "af-", "il-", "mx-"],
    },
    AwsPartition {
        name: "aws-cn",
        suffix: "amazonaws.com.cn",
        dual: Some(("on.amazonwebservices.com.cn", "api.amazonwebservices.com.cn")),
        regions: &["cn-"],
    },
    AwsPartition {
        name: "aws-us-gov",
        suffix: "amazonaws.com",
        dual: Some(("on.aws", "api.aws")),
        regions: &["us-gov-"],
    },
    AwsPartition { name: "aws-eusc", suffix: "amazonaws.eu", dual: None, regions: &["eusc-de-"] },
    AwsPartition { name: "aws-iso", suffix: "c2s.ic.gov", dual: None, regions: &["us-iso-"] },
    AwsPartition { name: "aws-iso-b", suffix: "sc2s.sgov.gov", dual: None, regions: &["us-isob-"] },
    AwsPartition { name: "aws-iso-e", suffix: "cloud.adc-e.uk", dual: None, regions: &["eu-isoe-"] },
    AwsPartition { name: "aws-iso-f", suffix: "csp.hci.ic.gov", dual: None, regions: &["us-isof-"] },
];

/// The API of ECR Public is nowhere else.
const PUBLIC_REGION: &str = "us-east-1";

impl<'h> EcrHost<'h> {
    /// What the host of `registry` says; `None` where it is not a name that AWS alone can hand out. One with a port is none.
    pub fn of(registry: &'h Registry) -> Option<Self> {
        let host = registry.as_str();
        if matches!(host, "public.ecr.aws" | "ecr-public.aws.com") {
            let partition = AwsPartition::of(PUBLIC_REGION)?;
            return Some(Self { account: None, region: PUBLIC_REGION, partition, is_fips: false, is_dual: false });
        }
        let (account, rest) = host.split_once('.')?;
        let services = [
            ("dkr.ecr.", (false, false)),
            ("dkr.ecr-fips.", (true, false)),
            ("dkr-ecr.", (false, true)),
            ("dkr-ecr-fips.", (true, true)),
        ];
        let (rest, (is_fips, is_dual)) =
            services.iter().find_map(|(start, kind)| Some((rest.strip_prefix(start)?, *kind)))?;
        let (region, suffix) = rest.split_once('.')?;
        let partition = AwsPartition::of(region)?;
        let expected = if is_dual { partition.dual?.0 } else { partition.suffix };
        let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        (is_account && suffix == expected).then_some(Self {
            account: Some(account),
            region,
            partition,
            is_fips,
            is_dual,
        })
    }

    /// Whether it is ECR Public.
    pub fn is_public(&self) -> bool {
        self.account.is_none()
    }
}

impl AwsPartition {
    /// The partition of `region`; `None` for what is no name of a region.
    pub fn of(region: &str) -> Option<&'static Self> {
        let is_place = |rest: &str| {
            rest.split_once('-').is_some_and(|(name, number)| {
                let is_number = (1..=2).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
                (1..=16).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase()) && is_number
            })
        };
        let has =
            |partition: &&Self| partition.regions.iter().any(|start| region.strip_prefix(start).is_some_and(is_place));
        PARTITIONS.iter().find(has)
    }
}

/// Hosts that look like ECR's, and are not: all who read such hosts must agree.
#[cfg(test)]
pub(crate) const LOOK_ALIKES: [&str; 22] = [
    "12345678901.dkr.ecr.eu-west-1.amazonaws.com",
    "1234567890123.dkr.ecr.eu-west-1.amazonaws.com",
    "12345678901a.dkr.ecr.eu-west-1.amazonaws.com",
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com.cn",
    "123456789012.dkr.ecr.cn-north-1.amazonaws.com",
    "123456789012.dkr.ecr.us-iso-east-1.amazonaws.com",
    "123456789012.dkr.ecr.eu-west-1.evil.com",
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.com",
    "123456789012.dkr.ecr.evil.example.amazonaws.com",
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com:444",
    "123456789012.dkr-ecr.eu-west-1.amazonaws.com",
    "123456789012.dkr-ecr.eusc-de-east-1.amazonaws.eu",
    "123456789012.dkr.ecr.us-east-1.on.aws",
    "123456789012.dkr.ecr.s3.amazonaws.com",
    "123456789012.dkr.ecr.s3-us-west-2.amazonaws.com",
    "123456789012.dkr.ecr.s3-accelerate.amazonaws.com",
    "123456789012.dkr.ecr.s3-website-eu-west-1.amazonaws.com",
    "123456789012.dkr.ecr.us-gov.amazonaws.com",
    "123456789012.dkr.ecr.us-east.amazonaws.com",
    "123456789012.dkr.ecr.us-east-1-a.amazonaws.com",
    "public.ecr.aws:444",
    "evil-public.ecr.aws",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_says_where_it_is() {
        let cases = [
            ("dkr.ecr.eu-west-1.amazonaws.com", ("eu-west-1", "aws"), (false, false)),
            ("dkr.ecr.ap-southeast-5.amazonaws.com", ("ap-southeast-5", "aws"), (false, false)),
            ("dkr.ecr-fips.us-gov-west-1.amazonaws.com", ("us-gov-west-1", "aws-us-gov"), (true, false)),
            ("dkr-ecr.us-east-1.on.aws", ("us-east-1", "aws"), (false, true)),
            ("dkr-ecr-fips.us-gov-east-1.on.aws", ("us-gov-east-1", "aws-us-gov"), (true, true)),
            ("dkr.ecr.cn-north-1.amazonaws.com.cn", ("cn-north-1", "aws-cn"), (false, false)),
            ("dkr-ecr.cn-north-1.on.amazonwebservices.com.cn", ("cn-north-1", "aws-cn"), (false, true)),
            ("dkr.ecr.eusc-de-east-1.amazonaws.eu", ("eusc-de-east-1", "aws-eusc"), (false, false)),
            ("dkr.ecr.us-iso-east-1.c2s.ic.gov", ("us-iso-east-1", "aws-iso"), (false, false)),
            ("dkr.ecr.us-isob-east-1.sc2s.sgov.gov", ("us-isob-east-1", "aws-iso-b"), (false, false)),
            ("dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk", ("eu-isoe-west-1", "aws-iso-e"), (false, false)),
            ("dkr.ecr.us-isof-south-1.csp.hci.ic.gov", ("us-isof-south-1", "aws-iso-f"), (false, false)),
        ];
        for (host, (region, partition), kind) in cases {
            let registry: Registry = format!("123456789012.{host}").parse().unwrap();
            let read = EcrHost::of(&registry).expect(host);
            assert_eq!((read.region, read.partition.name, (read.is_fips, read.is_dual)), (region, partition, kind));
            assert_eq!(read.account, Some("123456789012"));
        }
        for host in ["public.ecr.aws", "ecr-public.aws.com"] {
            let registry: Registry = host.parse().unwrap();
            assert!(
                EcrHost::of(&registry).is_some_and(|read| read.is_public() && read.region == "us-east-1"),
                "{host}"
            );
        }
    }

    #[test]
    fn a_name_that_only_looks_like_it_is_not_of_aws() {
        for host in LOOK_ALIKES.into_iter().chain(["docker.io", "localhost:5000", "[::1]:5000"]) {
            assert_eq!(EcrHost::of(&host.parse().unwrap()), None, "{host}");
        }
    }

    /// The label is a part of the name of the service that is shown ID tokens.
    #[test]
    fn a_region_is_more_than_a_label() {
        for region in
            ["us-east-1", "mx-central-1", "il-central-1", "ca-west-1", "me-south-1", "af-south-1", "sa-east-1"]
        {
            assert_eq!(AwsPartition::of(region).map(|partition| partition.name), Some("aws"), "{region}");
        }
        let wrong = [
            "",
            "s3",
            "s3-us-west-2",
            "s3-accelerate",
            "s3-website-us-east-1",
            "us-east",
            "us-east-",
            "us--1",
            "us-east-123",
            "us-east-1a",
            "us-east-1-x",
            "US-EAST-1",
            "us-gov-west-1-x",
            "xx-east-1",
            "eusc-fr-east-1",
            "us-east-1.x",
            "fips-us-east-1",
            "us-east-1/",
            "eu.west",
            "a/b",
            "x@y",
            "-a-",
        ];
        for region in wrong {
            assert_eq!(AwsPartition::of(region), None, "{region}");
        }
    }
}
