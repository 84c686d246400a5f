//! Azure's clouds: each has its own Microsoft Entra. Which one a registry is in, the end of its name says.
//!
//! <https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud>

use crate::auth::ProviderError;
use crate::auth::exchange::{Endpoint, Exchange};
use crate::image::Registry;

/// The variable by which Azure's own tools are told of another authority; AKS sets it.
const AUTHORITY: &str = "AZURE_AUTHORITY_HOST";

/// One of Azure's clouds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cloud {
    Public,
    China,
    Government,
}

impl Cloud {
    /// The cloud of `registry`; the public one for names that are not Azure's.
    pub(super) fn of(registry: &Registry) -> Self {
        let clouds = [(".azurecr.cn", Self::China), (".azurecr.us", Self::Government)];
        let known = clouds.into_iter().find(|(end, _)| registry.as_str().ends_with(end));
        known.map_or(Self::Public, |(_, cloud)| cloud)
    }

    /// For whom the ID token of a federated credential is made.
    pub(super) fn audience(self) -> &'static str {
        match self {
            Self::Public => "api://AzureADTokenExchange",
            Self::China => "api://AzureADTokenExchangeChina",
            Self::Government => "api://AzureADTokenExchangeUSGov",
        }
    }

    /// Where tokens of `tenant` are to be had.
    pub(super) fn token_endpoint(self, exchange: &Exchange, tenant: &str) -> Result<Endpoint, ProviderError> {
        let own = match self {
            Self::Public => "https://login.microsoftonline.com",
            Self::China => "https://login.partner.microsoftonline.cn",
            Self::Government => "https://login.microsoftonline.us",
        };
        let authority = exchange.environment.get(AUTHORITY).unwrap_or(own).trim_end_matches('/');
        Endpoint::given(AUTHORITY, &format!("{authority}/{tenant}/oauth2/v2.0/token"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Environment;

    fn endpoint(host: &str, variables: &[(&str, &str)]) -> String {
        let environment: Environment = variables.iter().copied().collect();
        let cloud = Cloud::of(&host.parse().unwrap());
        cloud.token_endpoint(&Exchange::new(environment.into()), "acme.example").unwrap().audience()
    }

    #[test]
    fn each_cloud_has_its_own_authority_and_audience() {
        let cases = [
            ("acme.azurecr.io", "https://login.microsoftonline.com", "api://AzureADTokenExchange"),
            ("acme.azurecr.cn", "https://login.partner.microsoftonline.cn", "api://AzureADTokenExchangeChina"),
            ("acme.azurecr.us", "https://login.microsoftonline.us", "api://AzureADTokenExchangeUSGov"),
            ("registry.example.com", "https://login.microsoftonline.com", "api://AzureADTokenExchange"),
        ];
        for (host, authority, audience) in cases {
            assert_eq!(endpoint(host, &[]), format!("{authority}/acme.example/oauth2/v2.0/token"), "{host}");
            assert_eq!(Cloud::of(&host.parse().unwrap()).audience(), audience, "{host}");
        }
    }

    #[test]
    fn the_environment_may_name_another_authority() {
        let variables = [("AZURE_AUTHORITY_HOST", "https://login.example.com/")];
        assert_eq!(endpoint("acme.azurecr.us", &variables), "https://login.example.com/acme.example/oauth2/v2.0/token");
    }
}
