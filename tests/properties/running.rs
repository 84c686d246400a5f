//! A run within this process: the pipeline of `plan` and `apply` over the library, with a clock that is in a hurry.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use regsync::apply::{Applier, Stop};
use regsync::auth::{Environment, Keychain};
use regsync::command::Exit;
use regsync::config::{self, Rules, SourceFile};
use regsync::event::{Event, Outcome, Reporter};
use regsync::observe::{Compare, Detail, KnownComplete, KnownSubsets, Observer, Sizes};
use regsync::plan::{self, Filter, Plan, Scope};
use regsync::store::Stores;
use regsync::store::registry::{Limits, Network};

use super::worlds::Built;

/// So far does the clock go on in each millisecond: a wait of four seconds is over in forty of them.
const HURRY: Duration = Duration::from_millis(100);
/// Long beside the hurry: a slow machine is not a silent registry.
const PATIENCE: Duration = Duration::from_secs(100_000);

/// What a run did.
pub(crate) struct Ran {
    pub(crate) plan: Plan,
    pub(crate) outcomes: Vec<Outcome>,
    /// How often the end of each step was announced, by the step's place in the file and its target.
    pub(crate) finished: BTreeMap<String, usize>,
    pub(crate) exit: u8,
    /// Repository, tag and digest of each tag that was written at the target.
    pub(crate) written: Vec<(String, String, String)>,
}

/// Counts what was announced.
#[derive(Default)]
struct Ear(Mutex<BTreeMap<String, usize>>);

impl Reporter for Ear {
    fn event(&self, event: Event<'_>) {
        if let Event::Finished(step, _) = event {
            *self.0.lock().unwrap().entry(name_of(step)).or_default() += 1;
        }
    }
}

/// A name that no two steps of a plan share.
pub(crate) fn name_of(step: &plan::Step) -> String {
    let target = step.target_reference().map(ToString::to_string).unwrap_or_default();
    format!("{} {target}", step.place)
}

impl Built {
    /// Plans, calls `between`, and applies: what one process does.
    pub(crate) fn run(&self, between: impl FnOnce(&Plan)) -> Ran {
        self.run_with(None, between)
    }

    /// Applies this plan, as another process would.
    pub(crate) fn apply_again(&self, saved: &Plan) -> Ran {
        self.run_with(Some(saved.clone()), |_| {})
    }

    fn run_with(&self, saved: Option<Plan>, between: impl FnOnce(&Plan)) -> Ran {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            tokio::select! {
                ran = self.pipeline(saved, between) => ran,
                () = hurry() => unreachable!("the clock never ends"),
            }
        })
    }

    async fn pipeline(&self, saved: Option<Plan>, between: impl FnOnce(&Plan)) -> Ran {
        let ear = Arc::new(Ear::default());
        let written_before = self.pair.target.store.tag_writes().len();
        let stores = self.stores(ear.clone());
        let look_first = saved.is_some();
        let plan = match saved {
            Some(plan) => plan,
            None => self.plan(&stores, ear.as_ref()).await,
        };
        between(&plan);
        let stop = Stop::default();
        let reporter = ear.clone();
        let applier = Applier { stores: &stores, reporter, concurrency: 4, fail_fast: false, look_first, stop };
        let outcomes = applier.apply(&plan).await;
        let exit = Exit::of_outcomes(&outcomes) as u8;
        let finished = ear.0.lock().unwrap().clone();
        let written = self.pair.target.store.tag_writes().split_off(written_before);
        Ran { plan, outcomes, finished, exit, written }
    }

    async fn plan(&self, stores: &Stores, reporter: &dyn Reporter) -> Plan {
        let file = SourceFile {
            path: "regsync.yaml".into(),
            directory: PathBuf::from("/nowhere"),
            bytes: self.yaml.clone().into_bytes(),
        };
        let desired = config::parse(&[file], &Rules::default()).unwrap();
        let filter = Filter::default();
        let sizes = Sizes::Auto;
        let observer = Observer {
            stores,
            reporter,
            filter: &filter,
            sizes,
            asks_for_blobs: true,
            compare: Compare::ToTell,
            detail: Detail::Full,
            known: &KnownSubsets::new(),
            complete: &KnownComplete::new(),
            concurrency: 4,
        };
        let observed = observer.observe(&desired).await;
        plan::plan(&desired, &observed, &Scope::default(), &filter)
    }

    fn stores(&self, reporter: Arc<dyn Reporter>) -> Stores {
        let environment: Environment = self.environment.iter().cloned().collect();
        let keychain = Arc::new(Keychain::new(environment, Vec::new()));
        let mut network = Network::new("regsync-test", keychain, reporter);
        network.limits = Limits {
            connect: PATIENCE,
            headers: PATIENCE,
            idle: PATIENCE,
            document: PATIENCE,
            refusal: PATIENCE,
            commit: PATIENCE,
            token: PATIENCE,
        };
        Stores::new(network, BTreeMap::new())
    }
}

/// Lets the paused clock of this runtime go on, a hundred times as fast as the one on the wall. A clock that is only paused
/// would jump to the end of every limit as soon as nothing but the network is waited for; while a blocking task runs, it
/// does not.
async fn hurry() {
    loop {
        tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(1))).await.unwrap();
        tokio::time::advance(HURRY).await;
    }
}
