//! `action.yml` as the runner reads it: inputs with their defaults, one step, outputs; and the expressions in it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A composite action.
#[derive(Deserialize)]
pub(crate) struct Manifest {
    pub(crate) inputs: BTreeMap<String, Input>,
    pub(crate) outputs: BTreeMap<String, Output>,
    runs: Runs,
}

#[derive(Deserialize)]
pub(crate) struct Input {
    pub(crate) description: String,
    pub(crate) default: Option<String>,
    pub(crate) required: Option<bool>,
}

#[derive(Deserialize)]
pub(crate) struct Output {
    pub(crate) description: String,
    pub(crate) value: String,
}

#[derive(Deserialize)]
struct Runs {
    using: String,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
pub(crate) struct Step {
    pub(crate) id: String,
    pub(crate) shell: String,
    pub(crate) run: String,
    pub(crate) env: BTreeMap<String, String>,
}

impl Manifest {
    /// Reads the text of an `action.yml`.
    pub(crate) fn read(text: &str) -> Self {
        let manifest: Self = serde_saphyr::from_str(text).unwrap();
        assert_eq!(manifest.runs.using, "composite");
        assert!(manifest.inputs.values().all(|input| !input.description.is_empty() && input.required.is_none()));
        assert!(manifest.outputs.values().all(|output| !output.description.is_empty()));
        manifest
    }

    /// Its only step: a second one would not be reached once the first is cancelled.
    pub(crate) fn step(&self) -> &Step {
        assert_eq!(self.runs.steps.len(), 1);
        &self.runs.steps[0]
    }

    /// What an input is where `with` may give it. Panics where `with` gives one that there is not.
    pub(crate) fn values(&self, with: &[(&str, &str)]) -> BTreeMap<String, String> {
        let default = |input: &Input| input.default.clone().unwrap_or_default();
        let mut values: BTreeMap<_, _> =
            self.inputs.iter().map(|(name, input)| (name.clone(), default(input))).collect();
        for (name, value) in with {
            assert!(values.insert((*name).to_owned(), (*value).to_owned()).is_some(), "there is no input {name}");
        }
        values
    }
}

/// The context of an expression, such as `inputs`, and a name in it.
pub(crate) fn reference(value: &str) -> Option<(&str, &str)> {
    let inner = value.strip_prefix("${{ ")?.strip_suffix(" }}")?;
    assert!(!inner.contains("${{"), "more than one expression: {value}");
    inner.rsplit_once('.')
}
