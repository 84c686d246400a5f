//! Credentials that end while they are in use, in all the ways that registries say so.
//!
//! | registry | says |
//! |---|---|
//! | most | 401 |
//! | ECR | 403, "Your authorization token has expired" |
//! | ECR Public | 400 |
//!
//! The same answers mean that the credential is fine and its rights are not. A HEAD has no words to tell them apart, so the
//! registry is asked whether it still knows the credential, where it is about nobody's rights: `GET /v2/`.

use reqwest::Method;

use super::authorization::Grant;
use super::call::Call;
use super::retry::Fault;
use super::transport::{ENTRY, Transport};

/// Whether an answer with this status may mean that a credential has ended.
fn is_doubtful(status: u16) -> bool {
    matches!(status, 400 | 401 | 403)
}

impl Transport {
    /// Whether the credential shown has ended, and there is a new one: once in a call, and only of what can be renewed.
    pub(super) async fn has_lapsed(&self, call: &mut Call<'_>, grant: &Grant, status: u16) -> Result<bool, Fault> {
        let is_shown = grant.header.is_some() && grant.holder.is_renewable();
        // A token that is refused with 401 is replaced first: it may have ended alone.
        if !is_doubtful(status) || !is_shown || (status == 401 && grant.token().is_some()) {
            return Ok(false);
        }
        if std::mem::replace(&mut call.tally.renewed, true) {
            return Ok(false);
        }
        if call.url.path() != ENTRY {
            let mut entry = Call::new(call.request, Method::GET, self.url(ENTRY), call.scope.clone());
            let reply = self.follow(&mut entry, grant.header.clone()).await?;
            if !is_doubtful(reply.response.status().as_u16()) {
                return Ok(false);
            }
        }
        Ok(self.authorizer.renew(call.request, &call.scope, &grant.holder).await?.is_some())
    }
}
