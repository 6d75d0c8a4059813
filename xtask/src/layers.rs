//! The layers of the house: a crate may use only crates of strictly lower layers.

use crate::Findings;
use crate::metadata::{Dependency, DependencyKind, Metadata, Package};

/// Layer of every crate that exists or is planned; ARCHITECTURE.md shows the same table to people.
const LAYERS: &[(&str, u8)] = &[
    ("zemosaic-image", 0),
    ("zemosaic-fits", 0),
    ("zemosaic-sky", 1),
    ("zemosaic-frames", 2),
    ("zemosaic-stars", 2),
    ("zemosaic-resample", 2),
    ("zemosaic-stack", 2),
    ("zemosaic-gauge", 3),
    ("zemosaic-gpu", 3),
    ("zemosaic-testkit", 3),
    ("zemosaic-coadd", 4),
    ("zemosaic-run", 5),
    ("zemosaic-server", 6),
    ("zemosaic-py", 6),
    ("zemosaic", 7),
];

/// The simulator, which every crate may use in its tests.
const TESTKIT: &str = "zemosaic-testkit";
/// Benches stand beside the layers: they may use every crate and no crate may use them.
const BENCHES: &str = "zemosaic-benches";
/// Uses nothing of ours, so that a broken crate cannot stop the check that would say why.
const XTASK: &str = "xtask";
/// Edges forbidden although they go downwards, with the reason.
const FORBIDDEN: &[(&str, &str, &str)] = &[(
    TESTKIT,
    "zemosaic-sky",
    "the simulator has its own projection code, so that an error of sky cannot cancel (dev-dependencies may)",
)];

/// Checks every edge between packages of the workspace.
pub fn check(metadata: &Metadata) -> (String, Findings) {
    let mut findings = Findings::default();
    let members: Vec<&Package> = metadata.members().collect();
    let mut edges = 0;
    for package in &members {
        if layer(&package.name).is_none() && package.name != XTASK && package.name != BENCHES {
            findings
                .fail(format!("{} has no layer: add it to the table in xtask/src/layers.rs", package.name));
        }
        for dependency in &package.dependencies {
            if !members.iter().any(|member| member.name == dependency.name) {
                continue;
            }
            edges += 1;
            if let Some(fault) = fault(&package.name, dependency) {
                findings.fail(fault);
            }
        }
    }
    (format!("{} crates, {edges} edges between them", members.len()), findings)
}

fn layer(name: &str) -> Option<u8> {
    LAYERS.iter().find(|(listed, _)| *listed == name).map(|(_, layer)| *layer)
}

/// What is wrong with the edge from `user` to one of our own packages, if anything.
fn fault(user: &str, dependency: &Dependency) -> Option<String> {
    let used = dependency.name.as_str();
    let is_dev = dependency.kind == DependencyKind::Dev;
    if user == XTASK {
        return Some(format!("{XTASK} must not use {used}: it uses nothing of ours"));
    }
    if user == BENCHES {
        return None;
    }
    if is_dev && used == TESTKIT {
        return None;
    }
    let forbidden = FORBIDDEN.iter().find(|(from, to, _)| *from == user && *to == used);
    if let (Some((_, _, reason)), false) = (forbidden, is_dev) {
        return Some(format!("{user} must not use {used}: {reason}"));
    }
    let user_layer = layer(user)?; // an unlisted user has been reported already
    match layer(used) {
        Some(used_layer) if used_layer < user_layer => None,
        Some(used_layer) => Some(format!(
            "{user} (layer {user_layer}) must not use {used} (layer {used_layer}): not a lower layer"
        )),
        None => Some(format!("{user} must not use {used}, which has no layer")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace(edges: &[(&str, &str, DependencyKind)]) -> Metadata {
        let names: std::collections::BTreeSet<&str> = edges.iter().flat_map(|(a, b, _)| [*a, *b]).collect();
        let packages = names.into_iter().map(|name| Package {
            name: name.to_owned(),
            version: "0.1.0".to_owned(),
            licence: None,
            is_member: true,
            manifest: "Cargo.toml".into(),
            dependencies: edges
                .iter()
                .filter(|(user, _, _)| *user == name)
                .map(|(_, used, kind)| Dependency {
                    name: (*used).to_owned(),
                    kind: *kind,
                    requirement: "*".to_owned(),
                    is_path: true,
                })
                .collect(),
        });
        Metadata { packages: packages.collect() }
    }

    fn failures(edges: &[(&str, &str, DependencyKind)]) -> Vec<String> {
        check(&workspace(edges)).1.failures
    }

    use DependencyKind::{Dev, Normal};

    #[test]
    fn downward_edges_pass() {
        let edges = [
            ("zemosaic", "zemosaic-testkit", Normal),
            ("zemosaic-coadd", "zemosaic-stack", Normal),
            ("zemosaic-sky", "zemosaic-fits", Normal),
            ("zemosaic-benches", "zemosaic-coadd", Normal),
        ];
        assert_eq!(failures(&edges), Vec::<String>::new());
    }

    #[test]
    fn upward_and_level_edges_fail() {
        assert!(failures(&[("zemosaic-image", "zemosaic-sky", Normal)])[0].contains("layer 0"));
        assert!(
            failures(&[("zemosaic-resample", "zemosaic-stack", Normal)])[0].contains("not a lower layer")
        );
        assert_eq!(failures(&[("zemosaic-image", "zemosaic-sky", Dev)]).len(), 1);
    }

    #[test]
    fn tests_of_every_crate_may_use_the_testkit() {
        assert_eq!(failures(&[("zemosaic-image", "zemosaic-testkit", Dev)]), Vec::<String>::new());
        assert_eq!(failures(&[("zemosaic-image", "zemosaic-testkit", Normal)]).len(), 1);
    }

    #[test]
    fn the_testkit_is_independent_of_sky() {
        assert_eq!(failures(&[("zemosaic-testkit", "zemosaic-sky", Normal)]).len(), 1);
        assert_eq!(failures(&[("zemosaic-testkit", "zemosaic-sky", Dev)]), Vec::<String>::new());
    }

    #[test]
    fn xtask_benches_and_unknown_crates() {
        assert_eq!(failures(&[("xtask", "zemosaic-image", Normal)]).len(), 1);
        assert_eq!(failures(&[("zemosaic", "zemosaic-benches", Dev)]).len(), 1);
        assert!(failures(&[("zemosaic-new", "zemosaic-image", Normal)])[0].contains("has no layer"));
    }
}
