//! Choices of the command line that are enums of the library: their names and help come from the enum itself (its
//! schema), so that an option is defined once.

use std::ffi::OsStr;
use std::marker::PhantomData;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Parses the names of the enum `T`.
#[derive(Debug)]
pub struct Named<T>(PhantomData<fn() -> T>);

/// The parser for `T`.
pub fn named<T>() -> Named<T> {
    Named(PhantomData)
}

impl<T> Clone for Named<T> {
    fn clone(&self) -> Self {
        named()
    }
}

/// The name of a value of such an enum, for defaults.
pub fn name_of<T: Serialize>(value: T) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(name)) => name,
        // Not an enum of names: clap would refuse the default, which every test of the program shows.
        other => format!("{other:?}"),
    }
}

/// The names of `T` with the first sentence of their description.
fn names<T: JsonSchema>() -> Vec<(String, String)> {
    let schema = schemars::schema_for!(T).to_value();
    let choices = schema.get("oneOf").and_then(Value::as_array).cloned().unwrap_or_default();
    let name_and_help = |choice: &Value| {
        let name = choice.get("const")?.as_str()?.to_owned();
        let help = choice.get("description").and_then(Value::as_str).unwrap_or_default();
        let first = help.split("\n\n").next().unwrap_or_default().replace('\n', " ");
        Some((name, first.trim_end_matches('.').to_owned()))
    };
    choices.iter().filter_map(name_and_help).collect()
}

impl<T> TypedValueParser for Named<T>
where
    T: DeserializeOwned + JsonSchema + Clone + Send + Sync + 'static,
{
    type Value = T;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<T, clap::Error> {
        let text = value.to_string_lossy().to_lowercase();
        let parse = |text: String| serde_json::from_value(Value::String(text));
        parse(text.clone()).or_else(|_| parse(text.replace('_', "-"))).map_err(|_: serde_json::Error| {
            let mut error = clap::Error::new(ErrorKind::InvalidValue).with_cmd(command);
            if let Some(arg) = arg {
                error.insert(ContextKind::InvalidArg, ContextValue::String(arg.to_string()));
            }
            let given = value.to_string_lossy().into_owned();
            error.insert(ContextKind::InvalidValue, ContextValue::String(given));
            let valid = names::<T>().into_iter().map(|(name, _)| name).collect();
            error.insert(ContextKind::ValidValue, ContextValue::Strings(valid));
            error
        })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let values = names::<T>().into_iter().map(|(name, help)| PossibleValue::new(name).help(help));
        Some(Box::new(values))
    }
}

#[cfg(test)]
mod tests {
    use zemosaic_sky::GridProjection;

    use super::*;

    #[test]
    fn names_and_help_are_those_of_the_enum() {
        let all = names::<GridProjection>();
        assert_eq!(all.len(), 7);
        assert!(all.contains(&("stg".into(), "Stereographic: keeps shapes".into())));
        assert_eq!(name_of(GridProjection::Zea), "zea");
    }
}
