//! Recognisable secrets: strings that must never turn up where they do not belong.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::digest::sha256;

/// What every secret of the test stage begins with, issued tokens included.
pub const PREFIX: &str = "CANARY-";

/// The secret of that label: the same in each run, unlike any other text, and one word.
pub fn canary(label: &str) -> String {
    let label = label.replace(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)), "-");
    format!("{PREFIX}{label}-{}", &sha256(label.as_bytes())[7..23])
}

/// Whether `text` holds the secret, as it is or within a base64 text.
///
/// Base64 has three alignments; of each, the part that does not depend on the neighbours is looked for.
pub fn holds(text: &str, secret: &str) -> bool {
    text.contains(secret) || encoded_cores(secret).iter().any(|core| text.contains(core.as_str()))
}

/// Panics when `text` (called `place` in the message) holds any secret of the stage or one of `secrets`.
#[track_caller]
pub fn assert_no_canary(place: &str, text: &str, secrets: &[&str]) {
    assert!(!holds(text, PREFIX), "a secret is in {place}:\n{text}");
    for secret in secrets {
        assert!(!holds(text, secret), "the secret {secret} is in {place}:\n{text}");
    }
}

fn encoded_cores(secret: &str) -> [String; 3] {
    [0, 1, 2].map(|shift| {
        let padded = [vec![0; shift], secret.as_bytes().to_vec()].concat();
        let whole = padded.len() / 3 * 4;
        let first = (shift * 8).div_ceil(6);
        STANDARD_NO_PAD.encode(&padded)[first..whole].to_owned()
    })
}
