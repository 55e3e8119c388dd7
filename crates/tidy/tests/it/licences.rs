//! Everything we build on may be given away under Apache-2.0. Works without a network: `deny.toml` is for those who have
//! cargo-deny, this is for everybody.

use std::fs;
use std::process::Command;

use serde_json::Value;
use tidy::{Expression, report, root};

/// Licences that ask for no more than a notice. Keep in step with `deny.toml`.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "bzip2-1.0.6",
];

/// Tools that build the page and leave nothing of themselves in it may also have these.
const ALLOWED_FOR_WEB_TOOLS: &[&str] = &["MPL-2.0", "Python-2.0", "CC-BY-4.0", "BlueOak-1.0.0"];

#[test]
fn crates_may_be_used() {
    let offences: Vec<String> = packages()
        .iter()
        .filter(|package| package["source"].is_string())
        .filter_map(|package| {
            let name = format!("{} {}", package["name"].as_str()?, package["version"].as_str()?);
            refused(package["license"].as_str().unwrap_or_default(), &[]).map(|why| format!("{name}: {why}"))
        })
        .collect();
    report("licences of crates", &offences);
}

/// Packages whose licence asks only for itself, and that are shipped unmodified in a file of their own; NOTICE names them.
const FILES_APART: [(&str, &str); 1] = [("node_modules/elkjs", "EPL-2.0 OR GPL-3.0-or-later")];

#[test]
fn web_packages_may_be_used() {
    let text = fs::read_to_string(root().join("web/package-lock.json")).unwrap_or_else(|_| "{}".to_owned());
    let lock: Value = serde_json::from_str(&text).unwrap();
    let packages = lock["packages"].as_object().cloned().unwrap_or_default();
    let mut offences = Vec::new();
    for (path, package) in packages.iter().filter(|(path, _)| !path.is_empty()) {
        let licence = package["license"].as_str().unwrap_or_default();
        if FILES_APART.contains(&(path.as_str(), licence)) {
            continue;
        }
        let is_tool = package["dev"].as_bool().unwrap_or(false) || package["devOptional"].as_bool().unwrap_or(false);
        let also = if is_tool { ALLOWED_FOR_WEB_TOOLS } else { &[] };
        if let Some(why) = refused(licence, also) {
            offences.push(format!("{path}: {why}"));
        }
    }
    report("licences of web packages", &offences);
}

#[test]
fn cargo_deny_allows_the_same() {
    let text = fs::read_to_string(root().join("deny.toml")).unwrap();
    let deny: toml::Table = text.parse().unwrap();
    let listed: Vec<&str> = deny["licenses"]["allow"].as_array().unwrap().iter().filter_map(toml::Value::as_str).collect();
    assert_eq!(listed, ALLOWED, "the list in deny.toml differs from the one in crates/tidy");
}

/// Why a licence is not good enough; nothing when it is.
fn refused(licence: &str, also: &[&str]) -> Option<String> {
    let allowed: Vec<&str> = ALLOWED.iter().chain(also).copied().collect();
    match Expression::parse(licence) {
        Ok(expression) if expression.is_satisfied_by(&allowed) => None,
        Ok(_) => Some(format!("{licence:?} is not on the list of licences")),
        Err(error) => Some(format!("{licence:?}: {error}")),
    }
}

/// What the lock file means on this machine's platform: crates for others need not have been downloaded.
fn packages() -> Vec<Value> {
    let cargo = env!("CARGO");
    let version = Command::new(cargo).arg("-vV").output().unwrap();
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned();
    let output = Command::new(cargo)
        .args(["metadata", "--offline", "--format-version", "1", "--filter-platform", &host])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap().clone();
    assert!(packages.len() > 100, "only {} packages: the metadata was not read right", packages.len());
    packages
}
