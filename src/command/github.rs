//! GitHub Actions: what its environment says of a run, and what it is told at the end of one.
//!
//! Owns the files that the runner names. Refuses to change how a run ends: what could
//! not be told is said. Elsewhere than at a runner nothing is read and nothing written.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::files::{in_words, write_file};
use super::load::config_paths;
use super::output::{Refusal, say, say_error};
use super::outputs::{Rendered, outputs};
use super::plan::scope;
use super::pull_request::{Excuse, lacks_credentials};
use super::session::Session;
use super::trust::Withheld;
use super::{Exit, comment};
use crate::auth::Environment;
use crate::cli::{CiArgs, CommentArg, ConfigArgs, OutputArgs, ReportArg, ScopeArgs};
use crate::config::Problem;
use crate::event::Outcome;
use crate::plan::{Plan, Scope, Step};
use crate::report::github::{Annotation, Level, annotations, of_plan, of_result};
use crate::report::markdown::{self, Budget};
use crate::report::{Applied, Checkout, Setting, Untrusted};

/// The least room of a summary that is worth writing one, in bytes.
const LEAST_ROOM: usize = 16 << 10;

/// What a run came to, as far as it came.
#[derive(Default)]
pub(super) struct Account {
    /// Its plan.
    pub(super) plan: Option<Plan>,
    /// What the plan is excused.
    pub(super) excuse: Option<Excuse>,
    /// Whether the deadline has left something undone.
    pub(super) is_overdue: bool,
    /// Why it was made without credentials.
    pub(super) withheld: Option<Withheld>,
    /// What came of it.
    pub(super) outcomes: Option<Vec<Outcome>>,
    /// Where the plan is saved.
    pub(super) plan_file: Option<PathBuf>,
    /// Where the result is saved as JSON.
    pub(super) result_file: Option<PathBuf>,
}

impl Account {
    /// Whether a step in error is none of the failures of the run.
    pub(super) fn is_excused(&self, step: &Step) -> bool {
        self.excuse.is_some() && lacks_credentials(step)
    }
}

/// What is told, beside the outputs.
#[derive(Default)]
pub(super) struct Told<'a> {
    pub(super) verb: &'static str,
    pub(super) label: Option<&'a str>,
    pub(super) summary: bool,
    pub(super) annotations: bool,
    pub(super) comment: CommentArg,
    /// Where the configuration is, where there is no plan to say so.
    pub(super) configs: Vec<&'a Path>,
    /// Which part of it, likewise.
    pub(super) scope: Option<&'a ScopeArgs>,
    /// The reports that are written to files.
    pub(super) reports: Vec<(ReportArg, &'a Path)>,
}

impl<'a> Told<'a> {
    /// What the arguments of `verb` ask for.
    pub(super) fn by(
        ci: (&'static str, &'a CiArgs),
        (config, scope): (&'a ConfigArgs, &'a ScopeArgs),
        output: &'a OutputArgs,
    ) -> Self {
        Self { configs: config_paths(config), scope: Some(scope), ..Self::of_ci(ci, output) }
    }

    /// The same where no configuration is read.
    pub(super) fn of_ci((verb, args): (&'static str, &'a CiArgs), output: &'a OutputArgs) -> Self {
        Self {
            reports: output.reports().collect(),
            verb,
            label: args.label.as_deref(),
            summary: args.summary,
            annotations: args.marks.annotations,
            comment: args.comment,
            ..Self::default()
        }
    }

    /// The files of the reports of one form.
    pub(super) fn files(&self, format: ReportArg) -> impl Iterator<Item = &'a Path> {
        self.reports.iter().filter(move |(form, _)| *form == format).map(|(_, file)| *file)
    }
}

/// A run at its end.
pub(super) struct Conclusion<'a> {
    pub(super) session: &'a Session,
    pub(super) told: &'a Told<'a>,
    pub(super) account: &'a Account,
    pub(super) setting: Setting,
    ended: &'a Result<Exit, Refusal>,
}

/// Tells the CI system how a run has ended; hands that on. The comment comes before the outputs, which name it, and after
/// all that needs no network.
pub(super) async fn conclude(
    session: &Session,
    told: &Told<'_>,
    account: &Account,
    ended: Result<Exit, Refusal>,
) -> Result<Exit, Refusal> {
    let objection = ended.as_ref().err().map(in_one_line);
    let notice = account.excuse.as_ref().zip(account.plan.as_ref()).map(|(excuse, plan)| excuse.notice(plan));
    let setting = Setting { objection, notice, ..session.setting(told.label) };
    let conclusion = Conclusion { session, told, account, setting, ended: &ended };
    conclusion.mark();
    conclusion.list_subjects();
    let comment = comment::publish(&conclusion).await;
    conclusion.give(comment.as_deref());
    ended
}

/// The same for a run that concerns no pull request.
pub(super) fn conclude_offline(
    session: &Session,
    told: &Told<'_>,
    ended: Result<Exit, Refusal>,
) -> Result<Exit, Refusal> {
    let (account, setting) = (&Account::default(), session.setting(told.label));
    let conclusion = Conclusion { session, told, account, setting, ended: &ended };
    conclusion.mark();
    conclusion.give(None);
    ended
}

impl Conclusion<'_> {
    /// How the process ends.
    pub(super) fn exit(&self) -> Exit {
        self.ended.as_ref().map_or_else(|refusal| refusal.exit, |exit| *exit)
    }

    /// The part of the configuration that was asked for.
    pub(super) fn scope(&self) -> Scope {
        let planned = self.account.plan.as_ref().map(|plan| plan.scope.clone());
        planned.or_else(|| Some(scope(self.told.scope?).ok()?.0)).unwrap_or_default()
    }

    /// The plan, the result, or why there is neither, as Markdown.
    pub(super) fn page(&self, budget: Budget) -> Option<String> {
        match (self.applied(), &self.account.plan) {
            (Some(applied), _) => Some(markdown::result(&applied, &self.setting, budget)),
            (None, Some(plan)) => Some(markdown::plan(plan, &self.setting, budget)),
            (None, None) => {
                let problems = problems(self.ended.as_ref().err()?);
                Some(markdown::refusal(self.told.verb, &problems, &self.setting, budget))
            }
        }
    }

    fn applied(&self) -> Option<Applied<'_>> {
        let (plan, outcomes) = self.account.plan.as_ref().zip(self.account.outcomes.as_deref())?;
        Some(Applied { plan, outcomes, elapsed: self.session.elapsed() })
    }

    /// Writes annotations and job summary.
    fn mark(&self) {
        if !is_runner(self.session.environment()) {
            return;
        }
        if self.told.annotations {
            let text = annotations(&self.annotations(), &self.setting);
            if !text.is_empty() {
                say(text.trim_end());
            }
        }
        let summarized = if self.told.summary { self.summarize() } else { Ok(()) };
        if let Err(refusal) = summarized {
            say_error(&refusal, self.session.error_color());
        }
        if let Some(withheld) = &self.account.withheld {
            self.notice(withheld.notice());
        }
        if let (Some(excuse), Some(plan)) = (&self.account.excuse, &self.account.plan) {
            self.notice(excuse.notice(plan));
        }
    }

    /// Says what is good to know and changes nothing.
    pub(super) fn notice(&self, message: String) {
        if is_runner(self.session.environment()) && self.told.annotations {
            let note = Annotation { level: Level::Notice, place: None, title: "regsync".to_owned(), message };
            say(annotations(&[note], &self.setting).trim_end());
        } else {
            say(&format!("note: {}", Untrusted::new(&message)));
        }
    }

    /// What is said beside the lines of the configuration.
    fn annotations(&self) -> Vec<Annotation> {
        let mut all = self.ended.as_ref().err().map(problems).unwrap_or_default();
        all.extend(match (self.applied(), &self.account.plan) {
            (Some(applied), _) => of_result(&applied),
            (None, Some(plan)) => of_plan(plan, |step| self.account.is_excused(step)),
            (None, None) => Vec::new(),
        });
        all
    }

    /// Appends to the job summary, within what is left of its room.
    fn summarize(&self) -> Result<(), Refusal> {
        let environment = self.session.environment();
        let there = environment.get("GITHUB_STEP_SUMMARY").and_then(|file| std::fs::metadata(file).ok());
        let there = there.map_or(0, |found| usize::try_from(found.len()).unwrap_or(usize::MAX));
        let budget = Budget::SUMMARY.without(there);
        if budget.bytes() < LEAST_ROOM {
            return Err(Refusal::new(Exit::Failed, "the job summary has no room left; nothing was added to it"));
        }
        self.page(budget).map_or(Ok(()), |page| append(environment, "GITHUB_STEP_SUMMARY", &page))
    }

    /// Writes the outputs.
    fn give(&self, comment: Option<&str>) {
        let environment = self.session.environment();
        let Rendered { lines, variables } = outputs((self.told, self.account, self.ended), comment.unwrap_or_default());
        let given = if is_runner(environment) { append(environment, "GITHUB_OUTPUT", &lines) } else { Ok(()) };
        let files = self.told.files(ReportArg::Dotenv).map(|file| write_file(file, &variables));
        for refusal in files.chain([given]).filter_map(Result::err) {
            say_error(&refusal, self.session.error_color());
        }
    }
}

/// Tells the runner of a command line that is wrong.
pub(super) fn usage(environment: &Environment) {
    if is_runner(environment) {
        let ended = Err(Refusal::new(Exit::Usage, ""));
        // What is wrong with the command line has been said; who cannot be told of it is nobody to complain to.
        let _ =
            append(environment, "GITHUB_OUTPUT", &outputs((&Told::default(), &Account::default(), &ended), "").lines);
    }
}

/// A refusal as annotations.
fn problems(refusal: &Refusal) -> Vec<Annotation> {
    if refusal.rendered {
        return refusal.problems.clone();
    }
    vec![Annotation { level: Level::Error, place: None, title: "regsync".to_owned(), message: in_one_line(refusal) }]
}

/// A refusal with what to do about it.
fn in_one_line(refusal: &Refusal) -> String {
    let hint = refusal.hint.as_ref().map(|hint| format!(" — {hint}")).unwrap_or_default();
    format!("{}{hint}", refusal.message)
}

/// A problem of the configuration, on its line.
pub(super) fn annotation(problem: &Problem) -> Annotation {
    let help = problem.help.as_ref().map(|help| format!(" — {help}")).unwrap_or_default();
    let place = &problem.place;
    Annotation {
        level: Level::Error,
        place: Some((place.file.to_string(), place.line, place.column)),
        title: problem.code.to_string(),
        message: format!("{}{help}", problem.message),
    }
}

/// Appends to the file that a variable names, where it names one.
pub(super) fn append(environment: &Environment, variable: &str, text: &str) -> Result<(), Refusal> {
    let Some(file) = environment.get(variable) else { return Ok(()) };
    let opened = OpenOptions::new().append(true).create(true).open(file);
    opened.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| {
        Refusal::new(Exit::Failed, format!("could not write to {variable} ({file}): {}", in_words(&error)))
    })
}

/// Whether GitHub's runner, or one like it, runs this.
pub(super) fn is_runner(environment: &Environment) -> bool {
    environment.get("GITHUB_ACTIONS") == Some("true")
}

/// What reports say of where they are made.
pub(super) fn setting(environment: &Environment) -> Option<Setting> {
    if !is_runner(environment) {
        return None;
    }
    let get = |name: &str| environment.get(name).map(str::to_owned);
    let repository = get("GITHUB_SERVER_URL").zip(get("GITHUB_REPOSITORY"));
    let repository = repository.map(|(server, name)| format!("{server}/{name}"));
    let run = repository.clone().zip(get("GITHUB_RUN_ID")).map(|(at, id)| {
        let number = get("GITHUB_RUN_NUMBER").map_or_else(|| "run".to_owned(), |number| format!("run {number}"));
        (number, format!("{at}/actions/runs/{id}"))
    });
    let address = repository.zip(environment.get("GITHUB_SHA")).map(|(at, commit)| format!("{at}/blob/{commit}"));
    let checkout = checkout(environment.get("GITHUB_WORKSPACE"), address);
    Some(Setting { commit: get("GITHUB_SHA"), run, checkout, ..Setting::default() })
}

/// The checkout in the directory `root`, whose files have addresses below `address`.
pub(super) fn checkout(root: Option<&str>, address: Option<String>) -> Option<Checkout> {
    let text = |path: &Path| path.canonicalize().ok().map(|path| path.to_string_lossy().into_owned());
    Some(Checkout { root: text(Path::new(root?))?, directory: text(Path::new("."))?, address: address? })
}
