//! What a run is given by its process: environment, clock, terminal; and what is built from them once.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::future::Future;
use std::io::{self, IsTerminal};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::load::Loaded;
use super::open_files;
use super::output::Refusal;
use super::providers::{self, Purpose};
use super::trust::Withheld;
use super::voice::Voice;
use super::{Exit, github, gitlab, mask};
use crate::auth::{Connect, Environment, Keychain, Mask, Secret, Surroundings};
use crate::cli::{ChangesArg, ColorWhen, FormatArg, ReportArg, SizesArg, Talk, WorkArgs};
use crate::config::{RegistryKey, RegistryRules};
use crate::image::{ReferenceError, Registry};
use crate::observe::{Detail, Sizes};
use crate::plan::file::Stamp;
use crate::report::{self, EscapingWriter, Setting, Style};
use crate::store::Stores;
use crate::store::registry::{ClientIdentity, Network, Proxies, Roots, Settings};

/// The environment of the process, read once.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment, to hand it down")]
pub fn environment() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

/// How we call ourselves.
const USER_AGENT: &str = concat!("regsync/", env!("CARGO_PKG_VERSION"));

/// What is the same for every command of a process.
pub struct Session {
    environment: Environment,
    mask: Mask,
    roots: Roots,
    style: Style,
    error_color: bool,
    quiet: bool,
    animate: bool,
    begin: Instant,
}

impl Session {
    /// A session with this environment, talking as `talk` says.
    pub fn new(environment: Environment, talk: &Talk) -> Self {
        let is_set = |name: &str| environment.get(name).is_some();
        let dumb = environment.get("TERM") == Some("dumb");
        let colorful = |terminal: bool| color(talk.color, terminal, &environment);
        let (color, error_color) = (colorful(io::stdout().is_terminal()), colorful(io::stderr().is_terminal()));
        let animate = io::stderr().is_terminal() && !is_set("CI") && !dumb && talk.verbose < 2;
        let style = Style { color, verbose: talk.verbose > 0 };
        Self {
            style,
            error_color,
            quiet: talk.quiet,
            animate,
            begin: Instant::now(),
            roots: Roots::system(),
            mask: mask::mask(&environment),
            environment,
        }
    }

    /// How text for the standard output looks.
    pub fn style(&self) -> Style {
        self.style
    }

    /// Whether text on stderr has colour.
    pub(super) fn error_color(&self) -> bool {
        self.error_color
    }

    /// Whether stderr is to be silent unless something goes wrong.
    pub(super) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether a CI system runs this, and nobody is there to type.
    pub(super) fn is_ci(&self) -> bool {
        self.environment.get("CI").is_some()
    }

    /// How text for a file looks.
    pub(super) fn plain(&self) -> Style {
        Style { color: false, ..self.style }
    }

    /// What reports say of where they are made.
    pub(super) fn setting(&self, label: Option<&str>) -> Setting {
        let setting = github::setting(&self.environment).or_else(|| gitlab::setting(&self.environment));
        Setting { label: label.map(str::to_owned), ..setting.unwrap_or_default() }
    }

    /// The variables of the process.
    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// How long the run has taken so far.
    pub(super) fn elapsed(&self) -> Duration {
        self.begin.elapsed()
    }

    /// When a run that may begin something new for so long has to stop; `None` too where that is beyond all clocks.
    pub(super) fn deadline(&self, work: &WorkArgs) -> Option<Instant> {
        self.begin.checked_add(work.deadline?)
    }

    /// Where this user's caches of this program are (XDG Base Directory Specification); `None` where nothing says so.
    pub(super) fn cache_directory(&self) -> Option<PathBuf> {
        let named = ["XDG_CACHE_HOME", "LOCALAPPDATA"].into_iter().find_map(|name| self.environment.get(name));
        let named = named.map(PathBuf::from).filter(|path| path.is_absolute());
        let caches = named.or_else(|| self.environment.home().map(|home| home.join(".cache")))?;
        Some(caches.join("regsync"))
    }

    /// Who tells the user how the run goes.
    pub(super) fn voice(&self) -> Voice {
        match (self.quiet, self.animate) {
            (true, _) => Voice::silent(),
            (false, true) => Voice::bars(self.style.verbose),
            (false, false) => Voice::lines(self.style.verbose),
        }
    }

    /// Sends log lines to stderr, each through the escaper. Silent unless `-v -v`, `--log` or `RUNNER_DEBUG` asks for more.
    pub(super) fn install_log(&self, talk: &Talk) -> Result<(), Refusal> {
        let debug_runner = self.environment.get("RUNNER_DEBUG") == Some("1");
        let filter = match (&talk.log, talk.verbose) {
            (Some(filter), _) => filter.clone(),
            (None, 3..) => "trace".to_owned(),
            (None, 2) => "regsync=debug".to_owned(),
            (None, _) if debug_runner => "regsync=debug".to_owned(),
            (None, _) => "off".to_owned(),
        };
        let filter = tracing_subscriber::EnvFilter::builder()
            .parse(&filter)
            .map_err(|error| Refusal::new(Exit::Usage, format!("not a log filter: {error}")))?;
        let writer = || EscapingWriter::new(io::stderr());
        // Nobody else installs one: a second installation would be a programming error, and the first one serves.
        let _ = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(false)
            // Its way to complain about a stderr that has gone away is to print to it, and to panic.
            .log_internal_errors(false)
            .with_writer(writer)
            .try_init();
        Ok(())
    }

    /// The stores that the configuration describes.
    pub(super) fn stores(&self, loaded: &Loaded, keychain: Arc<Keychain>, voice: &Voice) -> Result<Stores, Refusal> {
        let network = self.network(keychain, voice)?;
        let mut settings = settings(&loaded.desired.registries, &self.mask)?;
        if self.withheld().is_some() {
            for settings in settings.values_mut() {
                settings.client = None;
            }
        }
        Ok(Stores::new(network, settings))
    }

    /// How registries are reached, as far as the environment says.
    fn network(&self, keychain: Arc<Keychain>, voice: &Voice) -> Result<Network, Refusal> {
        let pairs = self.listed("REGSYNC_TRUSTED_REALMS", |pair| {
            let (registry, realm) = pair.split_once('=').ok_or_else(|| format!("`{pair}` is not `registry=realm`"))?;
            Ok((host(registry)?, host(realm)?))
        })?;
        let mut network = Network::new(USER_AGENT, keychain, voice.reporter());
        network.roots = self.roots.clone();
        network.proxies = Proxies::from_environment(|name| self.environment.get(name).map(str::to_owned));
        network.insecure_hosts = self.listed("REGSYNC_INSECURE_HOSTS", host)?.into_iter().collect();
        for (registry, realm) in pairs {
            network.trusted_realms.entry(registry).or_default().insert(realm);
        }
        network.open_files = open_files::raise();
        Ok(network)
    }

    /// What a variable lists, separated by commas, blanks or line breaks.
    fn listed<T>(&self, name: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, Refusal> {
        let list = self.environment.get(name).unwrap_or_default().split([',', ' ', '\n']);
        let items = list.map(str::trim).filter(|item| !item.is_empty());
        let read = |item| read(item).map_err(|problem| Refusal::new(Exit::Usage, format!("{name}: {problem}")));
        items.map(read).collect()
    }

    /// Why no credential is used, where none is.
    pub(super) fn withheld(&self) -> Option<Withheld> {
        Withheld::of(&self.environment)
    }

    /// The credentials that environment, machine and configuration give to a run with this purpose.
    pub(super) fn keychain(&self, loaded: &Loaded, purpose: Purpose) -> Arc<Keychain> {
        if self.withheld().is_some() {
            return Arc::new(Keychain::withheld());
        }
        Arc::new(Keychain::new(self.surroundings(), providers::rules(&loaded.desired.registries, purpose)))
    }

    /// Makes HTTP clients for services that are no registries.
    pub(super) fn connect(&self) -> Connect {
        self.surroundings().connect
    }

    /// Has the CI system hide a secret in all that comes after.
    pub(super) fn mask(&self) -> &Mask {
        &self.mask
    }

    fn surroundings(&self) -> Surroundings {
        providers::surroundings(&self.environment, USER_AGENT, self.roots.clone(), Arc::clone(&self.mask))
    }

    /// What the environment says of providers and registries, by the names of the variables.
    pub(super) fn bindings(&self) -> BTreeMap<String, String> {
        let ours = ["REGSYNC_PROVIDER_", "REGSYNC_ENDPOINT_"];
        let named = self.environment.names().filter(|name| ours.iter().any(|start| name.starts_with(start)));
        named.filter_map(|name| Some((name.to_owned(), self.environment.get(name)?.to_owned()))).collect()
    }
}

fn host(text: &str) -> Result<Registry, String> {
    text.parse().map_err(|error: ReferenceError| error.to_string())
}

/// What time it is.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the calendar, to hand it down")]
pub(super) fn clock() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// When and by what documents of this run are made.
pub(super) fn stamp() -> Stamp {
    Stamp {
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        created_at: clock().round(jiff::Unit::Second).unwrap_or_default().to_string(),
    }
}

/// Threads for asynchronous work, on machines with more cores: each hashes more than a network brings, and costs memory.
const WORKERS: usize = 4;
/// Threads that may wait for files and names at once.
const BLOCKING: usize = 64;

/// Runs asynchronous work.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
    let workers = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(WORKERS);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(workers).max_blocking_threads(BLOCKING).enable_all().build();
    let runtime = runtime.map_err(|error| Refusal::new(Exit::Failed, format!("could not start: {error}")))?;
    let ended = runtime.block_on(work);
    // What a second signal or a lost host left behind must not hold up the end.
    runtime.shutdown_timeout(Duration::from_millis(500));
    ended
}

/// Whether a stream gets colour. Asked for nothing, it is there to be seen: on a terminal, in GitHub's log, or where a
/// variable insists (<https://force-color.org>, <https://bixense.com/clicolors>). `NO_COLOR` is stronger than all of those.
fn color(when: ColorWhen, terminal: bool, environment: &Environment) -> bool {
    let insists = |name: &str| environment.get(name).is_some_and(|value| value != "0");
    let forced = insists("FORCE_COLOR") || insists("CLICOLOR_FORCE");
    let refused = environment.get("NO_COLOR").is_some();
    let dumb = environment.get("TERM") == Some("dumb");
    let seen = terminal || environment.get("GITHUB_ACTIONS") == Some("true");
    match when {
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto => !refused && (forced || (seen && !dumb)),
    }
}

/// The connection settings of each host, certificates read.
fn settings(
    registries: &BTreeMap<RegistryKey, RegistryRules>,
    mask: &Mask,
) -> Result<BTreeMap<Registry, Settings>, Refusal> {
    let hosts = registries.iter().filter(|(key, _)| key.namespace.is_none());
    hosts.map(|(key, rules)| Ok((key.registry.clone(), settings_of(rules, mask)?))).collect()
}

fn settings_of(rules: &RegistryRules, mask: &Mask) -> Result<Settings, Refusal> {
    let read = |path: &PathBuf| {
        std::fs::read(path).map_err(|error| {
            let message = format!("{}: could not read {}: {error}", rules.place, path.display());
            Refusal::new(Exit::Invalid, message)
        })
    };
    let client = match &rules.tls.client {
        Some((chain, key)) => {
            let not_pem = |_| Refusal::new(Exit::Invalid, format!("{}: {} is not PEM", rules.place, key.display()));
            let bytes = Zeroizing::new(read(key)?);
            let key = Secret::new(str::from_utf8(&bytes).map_err(not_pem)?);
            mask(key.expose());
            Some(ClientIdentity { chain: read(chain)?, key })
        }
        None => None,
    };
    Ok(Settings {
        plain_http: rules.plain_http,
        concurrency: rules.concurrency,
        requests_per_second: rules.requests_per_second,
        keep_pulls: rules.keep_pulls.map(u64::from),
        ca: rules.tls.ca.as_ref().map(read).transpose()?,
        client,
        creation: rules.creation.clone(),
    })
}

/// The form of the standard output.
pub(super) fn format_of(format: FormatArg) -> report::Format {
    match format {
        FormatArg::Text => report::Format::Text,
        FormatArg::Json => report::Format::Json,
        FormatArg::Markdown => report::Format::Markdown,
    }
}

/// The form of a report in a file; `None` for the one that is made of how the run ends.
pub(super) fn format_of_file(format: ReportArg) -> Option<report::Format> {
    Some(match format {
        ReportArg::Text => report::Format::Text,
        ReportArg::Json => report::Format::Json,
        ReportArg::Markdown => report::Format::Markdown,
        ReportArg::Junit => report::Format::Junit,
        ReportArg::Gitlab => report::Format::Gitlab,
        ReportArg::Dotenv | ReportArg::Subjects => return None,
    })
}

impl From<ChangesArg> for Detail {
    fn from(changes: ChangesArg) -> Self {
        match changes {
            ChangesArg::Full => Self::Full,
            ChangesArg::Names => Self::Names,
            ChangesArg::None => Self::None,
        }
    }
}

impl From<SizesArg> for Sizes {
    fn from(sizes: SizesArg) -> Self {
        match sizes {
            SizesArg::Auto => Self::Auto,
            SizesArg::Always => Self::Always,
            SizesArg::Never => Self::Never,
        }
    }
}
