//! A layout as a target: blobs and manifests get their names when all of them is there, tags come last.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use tokio::io::{AsyncWriteExt, BufWriter};

use super::directory::{self, Directory};
use super::files::{Dir, Draft, Fault};
use super::{CHUNK, Layout, closure, content};
use crate::image::{Code, Descriptor, Digest, Manifest, Repository, Tag};
use crate::store::{Answer, BlobStream, Error, ImageTarget, Mount, OpenBlob, Progress, PushError, UploadSession};

impl Layout {
    /// Writes what `stream` yields to a draft and puts that in its place. On any failure, and where this future is
    /// dropped, the draft is removed.
    async fn receive(&self, blob: &Descriptor, mut stream: BlobStream) -> Result<(), PushError> {
        let request = format!("write the {}", self.part("blob", blob));
        if stream.size() != blob.size {
            let message = format!("a stream of {} bytes was opened, not of {}", stream.size(), blob.size);
            return Err(PushError::Source(Error::new(Code::Size, request, message)));
        }
        let start = |directory: &Directory| {
            let dir = directory.write()?;
            let (draft, file) = Draft::create(&dir)?;
            Ok((dir, draft, file))
        };
        let (dir, draft, file) = self.run(request.clone(), start).await.map_err(PushError::Target)?;
        let mut file = BufWriter::with_capacity(CHUNK, tokio::fs::File::from_std(file));
        let fail = |error: std::io::Error| PushError::Target(Fault::io("blobs", &error).during(&request));
        while let Some(chunk) = stream.next().await {
            file.write_all(&chunk.map_err(PushError::Source)?).await.map_err(fail)?;
        }
        file.flush().await.map_err(fail)?;
        file.get_ref().sync_all().await.map_err(fail)?;
        drop(file);
        let digest = blob.digest.clone();
        let place = move |_: &Directory| draft.place(&directory::make_blobs(&dir, digest.algorithm())?, digest.hex());
        self.run(request.clone(), place).await.map_err(PushError::Target)
    }
}

impl ImageTarget for Layout {
    /// True for a file of the right size. Its content is not hashed: files get these names only by being renamed once
    /// their content was checked and durable.
    fn has_blob<'a>(&'a self, descriptor: &'a Descriptor) -> Answer<'a, bool> {
        let request = format!("look for the {}", self.part("blob", descriptor));
        let wanted = descriptor.clone();
        let work = move |directory: &Directory| {
            let Some(dir) = directory.read()? else { return Ok(false) };
            Ok(directory::blob(&dir, &wanted.digest)?.is_some_and(|(_, size)| size == wanted.size))
        };
        self.run(request, work).boxed()
    }

    /// A directory that is not there.
    fn is_missing(&self) -> BoxFuture<'_, bool> {
        let work = |directory: &Directory| Ok(directory.read()?.is_none());
        self.run(format!("look for {}", self.location), work).map(|missing| missing.unwrap_or(false)).boxed()
    }

    /// Never: a layout's blobs are shared by all its tags already, and a registry's are elsewhere.
    fn mount_blob<'a>(&'a self, _: &'a Descriptor, _: &'a Repository) -> Answer<'a, Mount> {
        futures_util::future::ready(Ok(Mount::Declined(None))).boxed()
    }

    fn push_blob<'a>(
        &'a self,
        descriptor: &'a Descriptor,
        open: &'a OpenBlob<'a>,
        _: Option<UploadSession>,
    ) -> BoxFuture<'a, Result<(), PushError>> {
        let push = async move {
            let write = async || {
                let stream = open(Progress::start(descriptor)).await.map_err(PushError::Source)?;
                self.receive(descriptor, stream).await
            };
            match write().await {
                // Not a second kind of retry: what breaks off, the source itself goes on with. Wrong bytes are noticed here,
                // at their end, and may have been an accident of one transfer.
                Err(PushError::Source(error)) if error.is_about_content() && error.attempts == 1 => write().await,
                outcome => outcome,
            }
        };
        push.boxed()
    }

    fn push_manifest<'a>(&'a self, manifest: &'a Manifest) -> Answer<'a, ()> {
        let request = format!("write the {}", self.part("manifest", &manifest.descriptor()));
        let manifest = manifest.clone();
        self.run(request, move |directory| put_manifest(&directory.write()?, &manifest)).boxed()
    }

    /// Listed by nothing of itself: the format has no lists of referrers.
    fn push_referrer<'a>(&'a self, manifest: &'a Manifest, _: &'a Digest) -> Answer<'a, bool> {
        self.push_manifest(manifest).map(|written| written.map(|()| false)).boxed()
    }

    /// The tag is put only if all that the manifest leads to is there; otherwise the manifest stays untagged, and the
    /// error names what is missing.
    fn push_tag<'a>(&'a self, manifest: &'a Manifest, tag: &'a Tag, before: Option<&'a Digest>) -> Answer<'a, ()> {
        let request = format!("write {}:{tag}", self.location);
        let (manifest, tag, before) = (manifest.clone(), tag.clone(), before.cloned());
        let work = move |directory: &Directory| {
            let dir = directory.write()?;
            put_manifest(&dir, &manifest)?;
            closure::require(&dir, &manifest)?;
            let is_as_seen = |now: Option<Digest>| match now {
                now if now == before || now.as_ref() == Some(manifest.digest()) => Ok(()),
                _ => Err(Fault::new(Code::Stale, format!("somebody else has moved `{tag}` meanwhile"))),
            };
            directory::put_tag(&dir, &tag, &manifest.descriptor(), || is_as_seen(content::tagged(&dir, &tag)?))
        };
        self.run(request, work).boxed()
    }
}

fn put_manifest(dir: &Arc<Dir>, manifest: &Manifest) -> Result<(), Fault> {
    let digest = manifest.digest();
    Draft::write(dir, &directory::make_blobs(dir, digest.algorithm())?, digest.hex(), manifest.bytes())
}
