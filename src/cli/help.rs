//! Examples and exit codes: what stands below the options.

/// What scripts branch on. Whoever reads one line of a log must be able to look it up here.
macro_rules! exit_codes {
    () => {
        "\
Exit codes:
    0  done, or nothing to do; `plan` found changes, without --detailed-exitcode
    1  failed: a step is in error or failed, and nothing was written
    2  `plan --detailed-exitcode`: changes are pending
    3  `apply`: something was written, and something failed or is stale
    4  the plan is stale or another one than expected; nothing was written
    5  a policy blocks a step, or --fail-on-risk names a risk of the plan
   64  the command line is wrong
   65  the configuration or the plan file is wrong
  130  interrupted (SIGINT); 143 terminated (SIGTERM)"
    };
}

macro_rules! root {
    () => {
        "\
Examples:
  regsync init                            write a regsync.yaml to begin with
  regsync validate                        check regsync.yaml, offline
  regsync plan                            show what would be copied
  regsync plan -o plan.json               save it for review
  regsync apply plan.json                 do exactly that
  regsync apply --only 'ghcr.io/acme/*'   plan and apply a part
  regsync explain ghcr.io/acme/app:1.2    why a tag is selected or not
  regsync auth check                      which credentials are used, and whether they work"
    };
}

macro_rules! plan {
    () => {
        "\
Examples:
  regsync plan                                      what would be copied
  regsync plan -v --only 'ghcr.io/acme/**'          a part, with unchanged tags and full digests
  regsync plan -o plan.json                         save it, for `regsync apply plan.json`
  regsync plan --report json=a.json --format text   JSON to a file, text to the terminal"
    };
}

macro_rules! apply {
    () => {
        "\
Examples:
  regsync apply                                     plan, and do that
  regsync apply plan.json                           do what was reviewed, and nothing else
  regsync apply plan.json --expect-plan-id ID       make sure that it is the plan that was approved
  regsync apply --format json --report text=a.txt   JSON to stdout, text to a file"
    };
}

pub(super) const ROOT: &str = root!();
pub(super) const ROOT_LONG: &str = concat!(root!(), "\n\n", exit_codes!());
pub(super) const PLAN: &str = plan!();
pub(super) const PLAN_LONG: &str = concat!(plan!(), "\n\n", exit_codes!());
pub(super) const APPLY: &str = apply!();
pub(super) const APPLY_LONG: &str = concat!(apply!(), "\n\n", exit_codes!());

pub(super) const INIT: &str = "\
Examples:
  regsync init            regsync.yaml, to be filled in
  regsync init --github   the workflows that plan and apply it, too";

pub(super) const VALIDATE: &str = "\
Examples:
  regsync validate
  regsync validate -c base.yaml -c team.yaml   as they would be joined";

pub(super) const SHOW: &str = "\
Examples:
  regsync show plan.json
  regsync show -v plan.json         unchanged tags and full digests too
  regsync show --format json FILE   as JSON that is safe to print";

pub(super) const REPORT_MERGE: &str = "\
Examples:
  regsync report merge shard-*.json                       what all shards came to, and the exit code of it
  regsync report merge shard-*.json --format markdown     for reviewers
  regsync report merge 1.json 2.json --shards 1/3,2/3     fails where one of these shards is not there
  regsync report merge 1.json 2.json --report json=a.json as JSON to a file";

pub(super) const EXPLAIN: &str = "\
Examples:
  regsync explain docker.io/library/nginx:1.27.4-perl   one tag of a source
  regsync explain ghcr.io/acme/nginx:1.27.4             the same, from its target
  regsync explain ghcr.io/acme/nginx                    what each rule leaves
  crane ls nginx | regsync explain nginx --tags-from -  offline";

pub(super) const AUTH_CHECK: &str = "\
Examples:
  regsync auth check                     all registries of regsync.yaml
  regsync auth check ghcr.io             one of them, or any other
  regsync auth check ghcr.io/acme/app    one repository
  regsync auth check --for plan          what a pull request needs";

pub(super) const SCHEMA: &str = "\
Examples:
  regsync schema > regsync.schema.json
  regsync schema plan";

pub(super) const COMPLETIONS: &str = "\
Examples:
  regsync completions bash > ~/.local/share/bash-completion/completions/regsync
  regsync completions zsh > ~/.zfunc/_regsync
  regsync completions fish > ~/.config/fish/completions/regsync.fish";

pub(super) const MAN: &str = "\
Examples:
  regsync man | man -l -
  regsync man ~/.local/share/man/man1";
