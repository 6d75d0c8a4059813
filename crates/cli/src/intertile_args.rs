//! Options of ZeMosaic's match of tiles, under its names.

use clap::Args;
use serde_json::{Map, Value};
use zemosaic_gauge::compat::intertile_options::{IntertileOptions, IntertileSolver};

use crate::args::refuse_idle;

/// Options of the method zemosaic of --match-tiles and --match; what is not given is as ZeMosaic has it.
#[derive(Debug, Args)]
pub struct IntertileArgs {
    /// Of the method zemosaic: an option under ZeMosaic's name without intertile_, such as affine_blend=0.5,
    /// gain_limits=0.9,1.1 or solver=irls (or legacy, offset-only); several times for several. A wrong name lists them
    #[arg(id = "intertile", long = "intertile", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, Value)>,
}

/// Options of the iterated solver alone.
const OF_IRLS: [&str; 6] = [
    "gain-prior-lambda",
    "gain-clip",
    "offset-clip",
    "pair-gain-clip",
    "pair-offset-abs-max",
    "max-irls-iters",
];

impl IntertileArgs {
    /// That every option that was given has an effect, and is in its range. `is_used`: whether tiles are matched so.
    ///
    /// # Errors
    /// The sentence for the user.
    pub fn check(&self, is_used: Used, given: &[String]) -> Result<(), String> {
        refuse_idle(&[("intertile", is_used == Used::Yes, "--match or --match-tiles zemosaic")], given)?;
        let options = self.options();
        let of_irls = self.settings.iter().find(|(name, _)| OF_IRLS.contains(&name.as_str()));
        match of_irls {
            Some((name, _)) if options.solver != IntertileSolver::Irls => {
                Err(format!("--intertile {name} has an effect only with --intertile solver=irls"))
            }
            _ => options.check().map_err(|error| format!("--intertile {error}")),
        }
    }

    /// What they ask for.
    pub fn options(&self) -> IntertileOptions {
        // Each was read alone before, so that all can be.
        read(self.settings.iter().cloned().collect()).unwrap_or_default()
    }
}

/// One option, that there is and whose value is of its kind.
fn setting(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE, for example affine_blend=0.5")?;
    let list = || -> serde_json::Result<Vec<Value>> {
        value.split(',').map(|part| serde_json::from_str(part.trim())).collect()
    };
    let value = serde_json::from_str(value)
        .or_else(|_| list().map(Value::Array))
        .unwrap_or_else(|_| Value::from(value.trim()));
    let setting = (name.trim().replace('_', "-"), value);
    read(Map::from_iter([setting.clone()])).map(|_| setting)
}

fn read(settings: Map<String, Value>) -> Result<IntertileOptions, String> {
    serde_json::from_value(Value::Object(settings)).map_err(|error| error.to_string())
}

/// Whether tiles are matched as ZeMosaic does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Used {
    /// They are.
    Yes,
    /// They are not.
    No,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        own: IntertileArgs,
    }

    fn parsed(settings: &[&str]) -> Result<IntertileArgs, String> {
        let words = settings.iter().flat_map(|setting| ["--intertile", setting]);
        let line = Line::try_parse_from(std::iter::once("zemosaic").chain(words));
        line.map(|line| line.own).map_err(|error| error.to_string())
    }

    fn checked(settings: &[&str], is_used: Used) -> Result<(), String> {
        parsed(settings)?.check(is_used, &["intertile".to_owned()])
    }

    #[test]
    fn what_is_not_given_is_as_zemosaic_has_it() {
        assert_eq!(parsed(&[]).unwrap().options(), IntertileOptions::default());
        let settings = ["solver=irls", "offset_clip=-100,200", "global-recenter=false", "max_irls_iters=5"];
        let expected = IntertileOptions {
            solver: IntertileSolver::Irls,
            offset_clip: [-100.0, 200.0],
            global_recenter: false,
            max_irls_iters: 5,
            ..IntertileOptions::default()
        };
        assert_eq!(parsed(&settings).unwrap().options(), expected);
        assert_eq!(checked(&settings, Used::Yes), Ok(()));
    }

    #[test]
    fn idle_options_and_impossible_values_are_refused() {
        let refused = |settings: &[&str], is_used: Used, sentence: &str| {
            let error = checked(settings, is_used).unwrap_err();
            assert!(error.contains(sentence), "{error}");
        };
        assert_eq!(checked(&["affine_blend=1"], Used::Yes), Ok(()));
        refused(&["affine_blend=1"], Used::No, "only with --match or --match-tiles zemosaic");
        refused(&["max_irls_iters=5"], Used::Yes, "--intertile max-irls-iters has an effect only with");
        refused(&["affine_blend=1.5"], Used::Yes, "affine-blend lies between 0 and 1, not at 1.5");
        refused(&["sky_percentile=70,30"], Used::Yes, "from the lower end to the upper");
        // A gain of 0 leaves nothing of a tile.
        refused(&["gain_limits=0,1"], Used::Yes, "above 0");
        refused(&["gain_limits=0.9"], Used::Yes, "gain_limits=0.9");
        refused(&["affine_blend"], Used::Yes, "NAME=VALUE");
        refused(&["blend=1"], Used::Yes, "`affine-blend`");
        refused(&["solver=best"], Used::Yes, "`offset-only`");
    }
}
