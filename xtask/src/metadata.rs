//! `cargo metadata` cut down to packages, their declared dependencies and licences.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// What a dependency is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DependencyKind {
    /// Linked into the package or used by its build script.
    Normal,
    /// Used by its tests, examples and benches only.
    Dev,
}

/// One line of a package's dependency tables.
#[derive(Clone, Debug)]
pub struct Dependency {
    pub name: String,
    pub kind: DependencyKind,
    /// The version requirement as cargo understood it (`*` for a path).
    pub requirement: String,
    /// Whether it is another package of this workspace.
    pub is_path: bool,
}

/// A package of the dependency graph.
#[derive(Clone, Debug)]
pub struct Package {
    pub name: String,
    pub version: String,
    pub licence: Option<String>,
    pub is_member: bool,
    pub manifest: PathBuf,
    pub dependencies: Vec<Dependency>,
}

/// Every package that the lock file names, on all platforms.
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    pub packages: Vec<Package>,
}

impl Metadata {
    /// The packages of this workspace.
    pub fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.is_member)
    }
}

/// Runs `cargo metadata` in `root`.
pub fn read(root: &Path) -> Result<Metadata> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1"])
        .current_dir(root)
        .output()
        .context("could not start cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    parse(&serde_json::from_slice(&output.stdout).context("cargo metadata did not print JSON")?)
}

/// Reads the JSON form (format version 1).
pub fn parse(json: &Value) -> Result<Metadata> {
    let members: BTreeSet<&str> =
        array(json, "workspace_members")?.iter().filter_map(Value::as_str).collect();
    let packages = array(json, "packages")?
        .iter()
        .map(|package| parse_package(package, &members))
        .collect::<Result<Vec<_>>>()?;
    Ok(Metadata { packages })
}

fn parse_package(json: &Value, members: &BTreeSet<&str>) -> Result<Package> {
    let dependencies =
        array(json, "dependencies")?.iter().map(parse_dependency).collect::<Result<Vec<_>>>()?;
    Ok(Package {
        name: text(json, "name")?.to_owned(),
        version: text(json, "version")?.to_owned(),
        licence: json["license"].as_str().map(str::to_owned),
        is_member: members.contains(text(json, "id")?),
        manifest: text(json, "manifest_path")?.into(),
        dependencies,
    })
}

fn parse_dependency(json: &Value) -> Result<Dependency> {
    let kind = match json["kind"].as_str() {
        Some("dev") => DependencyKind::Dev,
        _ => DependencyKind::Normal,
    };
    Ok(Dependency {
        name: text(json, "name")?.to_owned(),
        kind,
        requirement: text(json, "req")?.to_owned(),
        is_path: json["path"].is_string(),
    })
}

fn array<'a>(json: &'a Value, key: &str) -> Result<&'a Vec<Value>> {
    json[key].as_array().with_context(|| format!("cargo metadata has no list `{key}`"))
}

fn text<'a>(json: &'a Value, key: &str) -> Result<&'a str> {
    json[key].as_str().with_context(|| format!("cargo metadata has no text `{key}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_members_kinds_and_paths() {
        let json = serde_json::json!({
            "workspace_members": ["path+file:///w/a#0.1.0"],
            "packages": [
                { "name": "a", "version": "0.1.0", "id": "path+file:///w/a#0.1.0", "license": "MIT",
                  "manifest_path": "/w/a/Cargo.toml", "dependencies": [
                    { "name": "b", "kind": null, "req": "=1.0.0" },
                    { "name": "c", "kind": "dev", "req": "*", "path": "/w/c" } ] },
                { "name": "b", "version": "1.0.0", "id": "registry#b@1.0.0", "license": null,
                  "manifest_path": "/r/b/Cargo.toml", "dependencies": [] },
            ],
        });
        let metadata = parse(&json).unwrap();
        assert_eq!(metadata.members().map(|package| package.name.as_str()).collect::<Vec<_>>(), ["a"]);
        let [first, second] = &metadata.packages[0].dependencies[..] else { panic!("two dependencies") };
        assert_eq!((first.kind, first.is_path), (DependencyKind::Normal, false));
        assert_eq!((second.kind, second.is_path), (DependencyKind::Dev, true));
        assert_eq!(metadata.packages[1].licence, None);
    }

    #[test]
    fn says_which_key_is_missing() {
        let error = parse(&serde_json::json!({ "packages": [] })).unwrap_err();
        assert!(error.to_string().contains("workspace_members"));
    }
}
