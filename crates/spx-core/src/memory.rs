//! Memory that can still be had: what the system tells, and what the control groups that hold this
//! process leave of it (Linux cgroups, versions 1 and 2, at every level).

use std::fs;
use std::path::{Path, PathBuf};

/// Memory that can be had without swapping \[bytes\], where the system tells.
///
/// Pages that hold copies of files count as free, for the system gives them up when it must: in the
/// whole machine and in each control group.
pub fn available_memory() -> Option<u64> {
    let root = Path::new("/");
    [system(root), groups(root)].into_iter().flatten().min()
}

fn system(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// The least that a control group with a limit has left, from that of this process to the root.
fn groups(root: &Path) -> Option<u64> {
    let mounts = fs::read_to_string(root.join("proc/self/mountinfo")).ok()?;
    let paths = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let mut least: Option<u64> = None;
    for line in paths.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let version = match controllers {
            "" => 2,
            list if list.split(',').any(|name| name == "memory") => 1,
            _ => continue,
        };
        let Some((mount, below)) = mounts.lines().find_map(|mount| mounted(mount, version, path)) else {
            continue;
        };
        let mount = root.join(mount.trim_start_matches('/'));
        for group in below.ancestors() {
            let left = left_in(&mount.join(group), version);
            least = [least, left].into_iter().flatten().min();
        }
    }
    least
}

/// Where a line of mountinfo mounts the groups, and the path of a group below that.
fn mounted<'a>(line: &'a str, version: u8, path: &str) -> Option<(&'a str, PathBuf)> {
    let (mount, system) = line.split_once(" - ")?;
    let system: Vec<&str> = system.split(' ').collect();
    let fits = match version {
        2 => system.first() == Some(&"cgroup2"),
        _ => system.first() == Some(&"cgroup") && system.last()?.split(',').any(|name| name == "memory"),
    };
    let mut fields = mount.split(' ').skip(3);
    let (of, at) = (fields.next()?, fields.next()?);
    // In a container, the path may be that of the host, of which a part is mounted.
    let below = Path::new(path).strip_prefix(of).unwrap_or(Path::new(""));
    fits.then(|| (at, below.strip_prefix("/").unwrap_or(below).to_owned()))
}

/// What a group has left of its limit; `None` where it has none.
fn left_in(group: &Path, version: u8) -> Option<u64> {
    let [limit, used, cached] = match version {
        2 => ["memory.max", "memory.current", "_file"],
        _ => ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_%_file"],
    };
    let number = |name: &str| fs::read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
    let limit = number(limit)?;
    let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let names = ["inactive", "active"].map(|name| match version {
        2 => format!("{name}{cached} "),
        _ => cached.replace('%', name) + " ",
    });
    let files = stat.lines().filter_map(|line| {
        names.iter().find_map(|name| line.strip_prefix(name.as_str()))?.trim().parse::<u64>().ok()
    });
    Some(limit.saturating_sub(number(used)?.saturating_sub(files.sum())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, name: &str, text: &str) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn the_system_of_this_test_has_some() {
        assert!(available_memory().is_none_or(|bytes| bytes > 1 << 20));
    }

    #[test]
    fn the_tightest_group_of_version_2_counts_and_pages_of_files_are_free() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        write(root, "proc/meminfo", "MemTotal: 9000 kB\nMemAvailable:    8000 kB\n");
        assert_eq!((system(root), groups(root)), (Some(8_192_000), None));
        write(root, "proc/self/cgroup", "0::/user/job\n");
        write(root, "proc/self/mountinfo", "1 2 0:3 / /sys/fs/cgroup rw shared:1 - cgroup2 cgroup2 rw\n");
        // The root has no such files, the group of the job no limit.
        write(root, "sys/fs/cgroup/user/job/memory.max", "max\n");
        assert_eq!(groups(root), None);
        write(root, "sys/fs/cgroup/user/memory.max", "1000000\n");
        write(root, "sys/fs/cgroup/user/memory.current", "900000\n");
        write(
            root,
            "sys/fs/cgroup/user/memory.stat",
            "anon 200000\nfile 700000\ninactive_file 500000\nactive_file 200000\n",
        );
        assert_eq!(groups(root), Some(800_000));
        write(root, "sys/fs/cgroup/user/job/memory.max", "300000\n");
        write(root, "sys/fs/cgroup/user/job/memory.current", "100000\n");
        assert_eq!(groups(root), Some(200_000));
        write(root, "sys/fs/cgroup/user/job/memory.current", "400000\n");
        assert_eq!(groups(root), Some(0), "it may stand above its limit for a moment");
    }

    #[test]
    fn groups_of_version_1_count_from_the_part_that_a_container_sees() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        write(root, "proc/self/cgroup", "5:cpu,cpuacct:/host/box\n4:memory:/host/box/inner\n");
        let cpu = "1 2 0:3 /host/box /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct";
        let memory = "1 2 0:3 /host/box /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory";
        write(root, "proc/self/mountinfo", &format!("{cpu}\n{memory}\n"));
        write(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", "500000\n");
        write(root, "sys/fs/cgroup/memory/memory.usage_in_bytes", "400000\n");
        let stat = "inactive_file 1\ntotal_inactive_file 100000\ntotal_active_file 50000\n";
        write(root, "sys/fs/cgroup/memory/memory.stat", stat);
        assert_eq!(groups(root), Some(250_000));
        write(root, "sys/fs/cgroup/memory/inner/memory.limit_in_bytes", "200000\n");
        write(root, "sys/fs/cgroup/memory/inner/memory.usage_in_bytes", "60000\n");
        assert_eq!(groups(root), Some(140_000));
    }
}
