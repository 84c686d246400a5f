//! Some platforms of an image at its source: what is read to know what is left.
//!
//! Owns the reads: the index, or the manifest and configuration of an image that has none. Refuses to decide what stays,
//! which [`image::trim`](crate::image::trim) does.

use futures_util::TryStreamExt;
use serde::Deserialize;

use super::{Error, ImageSource, Progress};
use crate::image::{
    Code, Descriptor, Digest, ImageManifest, Manifest, MediaType, Platform, Root, Subset, TrimError, Trimmed, View,
    trim,
};
use crate::store::limits::CONFIG_READ;

/// What is left of the image with this digest where only some platforms are `wanted`. Costs one GET of its manifest; an
/// image that is no index costs one of its configuration, too, and is left whole where it fits.
///
/// Fails with [`Code::NoPlatform`] where it has none of them, and with [`Code::Unsupported`] where that cannot be known.
pub async fn subset(
    source: &dyn ImageSource,
    (digest, media_type): (&Digest, &MediaType),
    wanted: &Subset,
) -> Result<Trimmed, Error> {
    let about = format!("choose platforms of {}@{digest}", source.location());
    let Some(manifest) = source.manifest(digest, media_type).await? else {
        return Err(Error::new(Code::NotFound, about, "it is missing"));
    };
    match manifest.view() {
        View::Index(_) => trim(&manifest, wanted).map_err(|error| refusal(&about, &error)),
        View::Image(image) => {
            whole(source, (&manifest, image), wanted).await?.ok_or_else(|| no_platform(&about, wanted))
        }
        View::Opaque => Err(no_platform(&about, wanted)),
    }
}

fn refusal(about: &str, error: &TrimError) -> Error {
    let code = match error {
        TrimError::NoPlatform { .. } => Code::NoPlatform,
        TrimError::NotAnIndex | TrimError::Nested(_) | TrimError::Deeper(_) => Code::Unsupported,
        TrimError::Syntax(_) => Code::Manifest,
    };
    let refusal = Error::new(code, about, error.to_string());
    match error {
        TrimError::Nested(_) => refusal.hint("`platforms: all` copies it whole"),
        TrimError::Deeper(_) => refusal.hint("`single: index` keeps it below an index"),
        TrimError::NoPlatform { .. } => refusal.hint("check `platforms`; `platforms: all` copies what is there"),
        TrimError::NotAnIndex | TrimError::Syntax(_) => refusal,
    }
}

fn no_platform(about: &str, wanted: &Subset) -> Error {
    let message = format!("it has no platform, and {wanted} was asked for");
    let hint = "what is for no platform (signatures, charts) needs a mirror of its own with `platforms: all`";
    Error::new(Code::NoPlatform, about, message).hint(hint)
}

/// An image that is no index: left as it is where it is for a platform that is `wanted`. `None` where it is for none at all.
async fn whole(
    source: &dyn ImageSource,
    (manifest, image): (&Manifest, &ImageManifest),
    wanted: &Subset,
) -> Result<Option<Trimmed>, Error> {
    let Some(config) = image.config.as_ref().filter(|config| config.media_type.is_image_config()) else {
        return Ok(None);
    };
    let about = format!("read the platform of {}@{}", source.location(), manifest.digest());
    let Some(platform) = platform(source, config, &about).await? else { return Ok(None) };
    if wanted.matches(&platform) {
        let absent = wanted.platforms().filter(|name| !name.matches(&platform)).cloned().collect();
        return Ok(Some(Trimmed { root: Root::Whole, platforms: vec![platform], of: 1, absent }));
    }
    let there = vec![platform.described()];
    Err(refusal(&about, &TrimError::NoPlatform { wanted: wanted.clone(), there }))
}

/// What a configuration says that it is for (image-spec `config.md`: `os` and `architecture` are required).
async fn platform(source: &dyn ImageSource, config: &Descriptor, about: &str) -> Result<Option<Platform>, Error> {
    let bytes = read_config(source, config, about).await?;
    let platform = Platform::deserialize(&mut serde_json::Deserializer::from_slice(&bytes));
    let platform =
        platform.map_err(|error| Error::new(Code::Manifest, about, format!("its configuration: {error}")))?;
    Ok((!platform.os.is_empty() && !platform.architecture.is_empty()).then_some(platform))
}

/// The configuration of an image, checked against its descriptor. Fails with [`Code::Unsupported`], without a request, where
/// it is larger than [`CONFIG_READ`].
pub async fn read_config(source: &dyn ImageSource, config: &Descriptor, about: &str) -> Result<Vec<u8>, Error> {
    if config.size > CONFIG_READ {
        let message = format!("its configuration has {} bytes, more than the {CONFIG_READ} that are read", config.size);
        return Err(Error::new(Code::Unsupported, about, message));
    }
    let mut stream = source.blob(Progress::start(config)).await?;
    let mut bytes = Vec::new();
    // The stream ends with an error where it is longer than its descriptor says.
    while let Some(chunk) = stream.try_next().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
