//! The layer rules of ARCHITECTURE.md that a machine can test, on what `cargo metadata` and the
//! manifests say.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::Value;

/// The crates that may name several spx crates, besides dev-dependencies.
const COMPOSERS: [&str; 8] =
    ["spx-cli", "spx-pipeline", "spx-py", "spx-serve", "spx-sim", "spx-truth", "spx-view", "xtask"];
/// A leaf that library crates may name besides spx-core, and which of them may.
const LEAF: (&str, [&str; 2]) = ("spx-votable", ["spx-archive", "spx-batch"]);
/// Speaking HTTP, or any network, as a client.
const NETWORK: [&str; 12] = [
    "ureq",
    "reqwest",
    "hyper",
    "hyper-util",
    "isahc",
    "curl",
    "attohttpc",
    "minreq",
    "rustls",
    "native-tls",
    "tokio",
    "mio",
];
/// The only crates that may bring those in: the archive's client, and the server that spx-sim and
/// spx-cli may use.
const NETWORK_GATES: [&str; 2] = ["spx-archive", "axum"];
/// Front ends, and the libraries that each may name although spx-pipeline composes them: those that
/// draw, for pictures are the front ends' own. Types of the others are re-exported by the modules
/// of spx-pipeline whose functions take or give them.
const FRONT_ENDS: [(&str, &[&str]); 3] = [
    ("spx-cli", &["spx-plot"]),
    ("spx-view", &["spx-plot"]),
    ("spx-py", &["spx-archive", "spx-batch", "spx-drizzle", "spx-photometry", "spx-plot", "spx-wcs"]),
];
/// The libraries that spx-pipeline composes.
const COMPOSED: [&str; 7] =
    ["spx-archive", "spx-batch", "spx-drizzle", "spx-photometry", "spx-plot", "spx-votable", "spx-wcs"];
/// Direct dependencies of one crate alone.
const RESERVED: [(&str, &str); 3] = [("clap", "spx-cli"), ("indicatif", "spx-cli"), ("ureq", "spx-archive")];
/// Wrappers of CFITSIO: no byte of a foreign file may reach it.
const FOREIGN_FITS: [&str; 2] = ["fitsio-sys", "fitsio"];
/// Crates that compile or link C code; any `*-sys` crate counts, too.
const C_CODE: [&str; 6] = ["cc", "cmake", "bindgen", "pkg-config", "vcpkg", "autotools"];
/// `links` keys that stand for no C library: rayon-core claims one so that there is only one of it.
const HARMLESS_LINKS: [&str; 1] = ["rayon-core"];

/// A package as far as the rules go.
#[derive(Debug, Default, Clone)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) member: bool,
    pub(crate) links: Option<String>,
    pub(crate) manifest: String,
    /// Names of the declared dependencies: normal and build, optional ones included.
    pub(crate) normal: BTreeSet<String>,
    pub(crate) dev: BTreeSet<String>,
    /// The ids that the normal and build dependencies resolve to.
    resolved: Vec<String>,
}

/// The packages of the workspace and all below them, by id.
#[derive(Debug, Default)]
pub(crate) struct Graph(BTreeMap<String, Package>);

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    value[key].as_str().with_context(|| format!("cargo metadata: no {key}"))
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>> {
    value[key].as_array().with_context(|| format!("cargo metadata: no {key}"))
}

fn is_dev(kind: &Value) -> bool {
    kind["kind"] == "dev"
}

impl Graph {
    /// Reads the answer of `cargo metadata --format-version 1`.
    pub(crate) fn from_metadata(metadata: &Value) -> Result<Self> {
        let members: BTreeSet<&str> =
            list(metadata, "workspace_members")?.iter().filter_map(Value::as_str).collect();
        let mut packages = BTreeMap::new();
        for package in list(metadata, "packages")? {
            let id = text(package, "id")?;
            let mut read = Package {
                name: text(package, "name")?.to_owned(),
                member: members.contains(id),
                links: package["links"].as_str().map(str::to_owned),
                manifest: text(package, "manifest_path")?.to_owned(),
                ..Package::default()
            };
            for dependency in list(package, "dependencies")? {
                let set = if is_dev(dependency) { &mut read.dev } else { &mut read.normal };
                set.insert(text(dependency, "name")?.to_owned());
            }
            packages.insert(id.to_owned(), read);
        }
        for node in list(&metadata["resolve"], "nodes")? {
            let package = packages.get_mut(text(node, "id")?).context("cargo metadata: unknown node")?;
            for dependency in list(node, "deps")? {
                if !list(dependency, "dep_kinds")?.iter().all(is_dev) {
                    package.resolved.push(text(dependency, "pkg")?.to_owned());
                }
            }
        }
        Ok(Self(packages))
    }

    /// The workspace's own packages.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.0.values().filter(|package| package.member)
    }

    /// Every rule that needs the graph alone; one line for each violation.
    pub(crate) fn violations(&self) -> Vec<String> {
        let mut found = Vec::new();
        for member in self.members() {
            found.extend(self.siblings(member));
            found.extend(reserved(member));
            found.extend(composed(member));
            found.extend(self.network(member));
        }
        let wrappers = self.0.values().filter(|package| {
            FOREIGN_FITS.contains(&package.name.as_str()) || package.links.as_deref() == Some("cfitsio")
        });
        found.extend(wrappers.map(|package| format!("{} brings in CFITSIO", package.name)));
        found
    }

    /// A library crate depends on spx-core and on no other spx crate.
    fn siblings(&self, member: &Package) -> Vec<String> {
        if COMPOSERS.contains(&member.name.as_str()) {
            return Vec::new();
        }
        let ours: BTreeSet<&str> = self.members().map(|package| package.name.as_str()).collect();
        let named = member.normal.iter().filter(|name| ours.contains(name.as_str()));
        named
            .filter(|name| name.as_str() != "spx-core" || member.name == "spx-core")
            .filter(|name| name.as_str() != LEAF.0 || !LEAF.1.contains(&member.name.as_str()))
            .map(|name| {
                format!(
                    "{} depends on {name}: a library crate may name spx-core and no other spx crate",
                    member.name
                )
            })
            .collect()
    }

    /// No network client below `member`, except through the crates that are made for it.
    fn network(&self, member: &Package) -> Option<String> {
        if NETWORK_GATES.contains(&member.name.as_str()) {
            return None;
        }
        let mut seen = BTreeSet::new();
        let mut todo = self.below(member, &member.name);
        while let Some((id, way)) = todo.pop() {
            let Some(package) = self.0.get(id) else { continue };
            if !seen.insert(id) || NETWORK_GATES.contains(&package.name.as_str()) {
                continue;
            }
            let way = format!("{way} -> {}", package.name);
            if NETWORK.contains(&package.name.as_str()) {
                return Some(format!("{way}: only spx-archive speaks to the network"));
            }
            todo.extend(self.below(package, &way));
        }
        None
    }

    /// What a package depends on, with the way to it. A server may name the runtime that axum runs
    /// in.
    fn below<'a>(&'a self, package: &'a Package, way: &str) -> Vec<(&'a str, String)> {
        let serves = package.member && package.normal.contains("axum");
        let is_runtime = |id: &&String| self.0.get(*id).is_some_and(|p| p.name == "tokio");
        let ids = package.resolved.iter().filter(|id| !(serves && is_runtime(id)));
        ids.map(|id| (id.as_str(), way.to_owned())).collect()
    }

    /// Which of the packages `tree` compile or link C; `crate_name` is whose tree it is.
    pub(crate) fn c_code(&self, crate_name: &str, tree: &BTreeSet<String>) -> Vec<String> {
        let links = |name: &String| {
            let package = self.0.values().find(|package| package.name == *name)?;
            package.links.as_deref().filter(|links| !HARMLESS_LINKS.contains(links))
        };
        tree.iter()
            .filter(|name| name.ends_with("-sys") || C_CODE.contains(&name.as_str()) || links(name).is_some())
            .map(|name| {
                format!("{crate_name} without default features pulls in {name}, which compiles or links C")
            })
            .collect()
    }
}

/// A front end calls spx-pipeline rather than the libraries that it composes.
fn composed(member: &Package) -> Vec<String> {
    let Some((name, may)) = FRONT_ENDS.iter().find(|(name, _)| *name == member.name) else {
        return Vec::new();
    };
    let named = COMPOSED.iter().filter(|library| member.normal.contains(**library) && !may.contains(library));
    named.map(|library| format!("{name} depends on {library}: spx-pipeline composes it")).collect()
}

/// Some crates are the direct dependency of one member alone.
fn reserved(member: &Package) -> Vec<String> {
    RESERVED
        .iter()
        .filter(|(name, owner)| {
            member.name != *owner && (member.normal.contains(*name) || member.dev.contains(*name))
        })
        .map(|(name, owner)| format!("{} depends on {name}, which is {owner}'s alone", member.name))
        .collect()
}

/// The package names in the output of `cargo tree --prefix none --format {p}`.
pub(crate) fn tree_names(output: &str) -> BTreeSet<String> {
    output.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// A member takes its versions, lints, edition and license from the workspace.
pub(crate) fn manifest_violations(name: &str, manifest: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (mut section, mut lints) = (String::new(), false);
    let mut missing: BTreeSet<&str> = ["version", "edition", "rust-version", "license"].into();
    for line in manifest.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line.starts_with('[') && line.ends_with(']') && !line.contains('=') {
            section = line.trim_matches(['[', ']']).to_owned();
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        let (key, inherited) = (key.trim(), line.contains("workspace = true"));
        match section.as_str() {
            "package" if inherited => drop(missing.remove(key.trim_end_matches(".workspace"))),
            "lints" => lints |= key == "workspace" && value.trim() == "true",
            _ if section.ends_with("dependencies") && !inherited => {
                found.push(format!(
                    "{name}: {key} in [{section}] does not take its version from the workspace"
                ));
            }
            _ => {}
        }
    }
    found.extend(missing.iter().map(|key| format!("{name}: `{key}.workspace = true` is missing")));
    if !lints {
        found.push(format!("{name}: `[lints] workspace = true` is missing"));
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::{Graph, manifest_violations, tree_names};

    /// Name, whether it is a member, `links`, dependencies with their kinds.
    type Made<'a> = (&'a str, bool, Option<&'a str>, &'a [(&'a str, Value)]);

    /// Packages whose ids are their names.
    fn graph(packages: &[Made]) -> Graph {
        let members: Vec<&str> = packages.iter().filter(|p| p.1).map(|p| p.0).collect();
        let listed: Vec<Value> = packages
            .iter()
            .map(|(name, _, links, dependencies)| {
                let named: Vec<Value> =
                    dependencies.iter().map(|(d, kind)| json!({"name": d, "kind": kind})).collect();
                json!({"id": name, "name": name, "links": links, "manifest_path": "", "dependencies": named})
            })
            .collect();
        let nodes: Vec<Value> = packages
            .iter()
            .map(|(name, _, _, dependencies)| {
                let deps: Vec<Value> = dependencies
                    .iter()
                    .map(|(d, kind)| json!({"pkg": d, "dep_kinds": [{"kind": kind}]}))
                    .collect();
                json!({"id": name, "deps": deps})
            })
            .collect();
        Graph::from_metadata(
            &json!({"workspace_members": members, "packages": listed, "resolve": {"nodes": nodes}}),
        )
        .unwrap()
    }

    fn normal(name: &str) -> (&str, Value) {
        (name, Value::Null)
    }

    fn dev(name: &str) -> (&str, Value) {
        (name, json!("dev"))
    }

    #[test]
    fn a_front_end_names_no_library_that_the_pipelines_compose() {
        let graph = graph(&[
            ("spx-cli", true, None, &[normal("spx-photometry"), normal("spx-plot")]),
            ("spx-photometry", true, None, &[]),
            ("spx-plot", true, None, &[]),
        ]);
        assert_eq!(graph.violations(), ["spx-cli depends on spx-photometry: spx-pipeline composes it"]);
    }

    #[test]
    fn a_sound_workspace_passes() {
        let graph = graph(&[
            ("spx-core", true, None, &[normal("libc")]),
            ("spx-wcs", true, None, &[normal("spx-core"), dev("spx-drizzle")]),
            ("spx-drizzle", true, None, &[normal("spx-core"), dev("spx-wcs")]),
            ("spx-votable", true, None, &[]),
            ("spx-archive", true, None, &[normal("spx-core"), normal("ureq"), normal("spx-votable")]),
            ("spx-sim", true, None, &[normal("spx-wcs"), normal("axum"), normal("tokio")]),
            ("spx-cli", true, None, &[normal("spx-plot"), normal("spx-sim"), normal("clap")]),
            ("spx-plot", true, None, &[]),
            ("libc", false, None, &[]),
            ("axum", false, None, &[normal("hyper")]),
            ("hyper", false, None, &[]),
            ("tokio", false, None, &[]),
            ("ureq", false, None, &[]),
            ("clap", false, None, &[]),
        ]);
        assert_eq!(graph.violations(), Vec::<String>::new());
    }

    #[test]
    fn a_library_may_not_name_a_sibling() {
        let graph = graph(&[
            ("spx-core", true, None, &[]),
            ("spx-wcs", true, None, &[normal("spx-core")]),
            ("spx-drizzle", true, None, &[normal("spx-core"), normal("spx-wcs")]),
        ]);
        let found = graph.violations();
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("spx-drizzle depends on spx-wcs"), "{found:?}");
    }

    #[test]
    fn core_names_no_spx_crate() {
        let graph = graph(&[("spx-core", true, None, &[normal("spx-wcs")]), ("spx-wcs", true, None, &[])]);
        assert_eq!(graph.violations().len(), 1);
    }

    #[test]
    fn reserved_crates_stay_with_their_owner() {
        let graph = graph(&[
            ("spx-core", true, None, &[]),
            ("spx-sim", true, None, &[normal("spx-core"), normal("fitsio-sys"), dev("clap")]),
            ("fitsio-sys", false, None, &[]),
            ("clap", false, None, &[]),
        ]);
        let found = graph.violations();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("clap") && found[0].contains("spx-cli's alone"));
        assert_eq!(found[1], "fitsio-sys brings in CFITSIO");
    }

    #[test]
    fn a_hidden_http_client_is_found_with_its_way() {
        let graph = graph(&[
            ("spx-core", true, None, &[normal("helper")]),
            ("helper", false, None, &[normal("reqwest")]),
            ("reqwest", false, None, &[]),
        ]);
        assert_eq!(
            graph.violations(),
            ["spx-core -> helper -> reqwest: only spx-archive speaks to the network"]
        );
    }

    #[test]
    fn tokio_is_for_servers() {
        let graph = graph(&[("spx-wcs", true, None, &[normal("tokio")]), ("tokio", false, None, &[])]);
        assert_eq!(graph.violations(), ["spx-wcs -> tokio: only spx-archive speaks to the network"]);
    }

    #[test]
    fn dev_dependencies_may_speak_http() {
        let graph =
            graph(&[("spx-core", true, None, &[dev("ureq2")]), ("ureq2", false, None, &[normal("hyper")])]);
        assert_eq!(graph.violations(), Vec::<String>::new());
    }

    #[test]
    fn c_code_is_found_by_name_and_by_links() {
        let graph = graph(&[
            ("fitsio-sys", false, Some("cfitsio"), &[]),
            ("oddlib", false, Some("odd"), &[]),
            ("rayon-core", false, Some("rayon-core"), &[]),
        ]);
        let tree = tree_names(
            "spx-drizzle v0.1.0 (/x)\nfitsio-sys v1\noddlib v1\nrayon-core v1\ncc v1\nserde v1 (*)\n",
        );
        let found = graph.c_code("spx-drizzle", &tree);
        assert_eq!(found.len(), 3, "{found:?}");
        let clean: BTreeSet<String> = tree_names("rayon-core v1\nserde v1\n");
        assert!(graph.c_code("spx-drizzle", &clean).is_empty());
    }

    const GOOD: &str = "[package]\nname = \"a\"\nversion.workspace = true\nedition.workspace = true\n\
        rust-version.workspace = true\nlicense.workspace = true\n[dependencies]\n# a remark = 1\n\
        x.workspace = true\ny = { workspace = true, features = [\n  \"b\",\n] }\n[lints]\nworkspace = true\n";

    #[test]
    fn manifests_inherit_from_the_workspace() {
        assert_eq!(manifest_violations("a", GOOD), Vec::<String>::new());
        let own_version = GOOD.replace("x.workspace = true", "x = \"1\"");
        assert_eq!(manifest_violations("a", &own_version).len(), 1);
        let own_edition = GOOD.replace("edition.workspace = true", "edition = \"2021\"");
        assert_eq!(manifest_violations("a", &own_edition), ["a: `edition.workspace = true` is missing"]);
        let no_lints = GOOD.replace("[lints]\nworkspace = true\n", "");
        assert_eq!(manifest_violations("a", &no_lints), ["a: `[lints] workspace = true` is missing"]);
    }
}
