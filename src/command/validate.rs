//! `regsync validate`: read the configuration, offline.

use super::Exit;
use super::github::{Told, conclude_offline};
use super::load::load;
use super::output::{Refusal, print};
use super::session::Session;
use crate::cli::ValidateArgs;
use crate::report::Untrusted;

pub(super) fn run(args: &ValidateArgs, session: &Session) -> Result<Exit, Refusal> {
    let told = Told { annotations: args.marks.annotations, ..Told::default() };
    conclude_offline(session, &told, check(args, session))
}

fn check(args: &ValidateArgs, session: &Session) -> Result<Exit, Refusal> {
    let loaded = load(&args.config, session)?;
    for file in &loaded.desired.files {
        let here = loaded.desired.entries().filter(|mirror| mirror.place.file == file.path).count();
        let noun = if here == 1 { "mirror" } else { "mirrors" };
        print(&format!("{}: valid, {here} {noun}\n", Untrusted::new(&file.path)))?;
    }
    Ok(Exit::Done)
}
