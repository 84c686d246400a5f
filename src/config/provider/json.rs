//! The JSON Schema of `auth`, from the table: each key with what editors show.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::table::{Key, Shape};
use super::{ProviderKind, Spec};
use crate::config::schema::Auth;

impl JsonSchema for Auth {
    fn schema_name() -> Cow<'static, str> {
        "Auth".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let providers: Map<String, Value> =
            ProviderKind::ALL.iter().map(|kind| (kind.name().to_owned(), provider(kind.spec()))).collect();
        json_schema!({
            "description": "Where credentials come from.",
            "oneOf": [
                {"description": "No credential is sent, whatever is configured elsewhere.", "const": "anonymous"},
                {
                    "description": "A provider: credentials are got with the identity of the job, and renewed.",
                    "type": "object",
                    "properties": providers,
                    "additionalProperties": false,
                    "minProperties": 1,
                    "maxProperties": 1,
                },
            ],
        })
    }
}

fn provider(spec: &Spec) -> Value {
    let properties: Map<String, Value> = spec.keys.iter().map(|key| (key.name.to_owned(), value(key))).collect();
    let required: Vec<&str> = spec.keys.iter().filter(|key| key.needed).map(|key| key.name).collect();
    let mut schema = json!({
        "description": spec.about,
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if let (false, Some(schema)) = (required.is_empty(), schema.as_object_mut()) {
        schema.insert("required".to_owned(), json!(required));
    }
    schema
}

fn value(key: &Key) -> Value {
    match key.shape {
        Shape::Text { example, .. } => {
            json!({"description": key.about, "type": "string", "minLength": 1, "examples": [example]})
        }
        Shape::Word(words) => json!({"description": key.about, "enum": words}),
        Shape::Fields => {
            json!({"description": key.about, "type": "object", "additionalProperties": {"type": "string"}})
        }
    }
}
