//! Where the tests find footage, servers and the workspace's own programs.

use std::env;
use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail, ensure};

/// `$STREAMHUB_CACHE`, else `~/.cache/streamhub`: what `scripts/setup` filled.
pub fn cache_dir() -> Result<PathBuf> {
    if let Some(folder) = env::var_os("STREAMHUB_CACHE") {
        return Ok(folder.into());
    }
    let home = env::var_os("HOME").context("neither STREAMHUB_CACHE nor HOME is set")?;
    Ok(Path::new(&home).join(".cache/streamhub"))
}

/// A film as it was found: `vtest.avi` (768x576, 10 fps, MS-MPEG-4) or `bigbuckbunny.mp4` (1280x720, 25 fps, H.264).
pub fn footage(name: &str) -> Result<PathBuf> {
    prepared("footage", name)
}

/// A clip that `scripts/setup test` made of the footage, such as `h264-1080p30.mp4`.
pub fn clip(name: &str) -> Result<PathBuf> {
    prepared("clips", name)
}

/// The pinned `nats-server`.
pub fn nats_server_bin() -> Result<PathBuf> {
    prepared("bin", "nats-server")
}

/// A Python that has nats-py, jsonschema and OpenCV.
pub fn python() -> Result<PathBuf> {
    prepared("venv/bin", "python")
}

fn prepared(folder: &str, name: &str) -> Result<PathBuf> {
    let path = cache_dir()?.join(folder).join(name);
    ensure!(
        path.exists(),
        "{} is missing: run scripts/setup test",
        path.display()
    );
    Ok(path)
}

/// The root of the source tree.
pub fn repository() -> PathBuf {
    let testkit = Path::new(env!("CARGO_MANIFEST_DIR"));
    testkit.parent().unwrap_or(testkit).to_owned()
}

/// A program of this workspace, built in the same profile as the running test.
///
/// Cargo tells a test only about the programs of its own package, so the others are looked for beside the test itself.
pub fn target_bin(name: &str) -> Result<PathBuf> {
    let test = env::current_exe().context("the running test has no path")?;
    let mut folder = test.parent();
    while let Some(candidate) = folder {
        let path = candidate.join(name);
        if path.is_file() {
            return Ok(path);
        }
        // `target/<profile>/deps/<test>`: two levels are enough, more would find other profiles.
        if candidate.join("deps").is_dir() {
            break;
        }
        folder = candidate.parent();
    }
    bail!("the program {name} is not built: run cargo build --workspace --bins")
}

/// A TCP port of 127.0.0.1 that nobody uses.
///
/// The kernel gives it to no outgoing connection and to no server that leaves the choice to it, and this process gives it
/// out once, so that it is still free when the caller's server takes it. Servers that can choose a port themselves should.
pub fn free_port() -> Result<u16> {
    // Below the range that the kernel gives from (ip_local_port_range).
    const PORTS: std::ops::Range<u16> = 20_000..30_000;
    static NEXT: LazyLock<AtomicU64> =
        LazyLock::new(|| AtomicU64::new(RandomState::new().hash_one(())));
    PORTS
        .map(|_| {
            let drawn = NEXT.fetch_add(1, Ordering::Relaxed) % u64::from(PORTS.end - PORTS.start);
            PORTS.start + drawn as u16
        })
        .find(|&port| TcpListener::bind(("127.0.0.1", port)).is_ok())
        .context("no free TCP port")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_free_port_is_one_that_the_kernel_or_we_give_to_somebody_else() {
        let ports: Vec<u16> = (0..50).map(|_| free_port().unwrap()).collect();
        let distinct: BTreeSet<u16> = ports.iter().copied().collect();
        assert_eq!(distinct.len(), ports.len());
        let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
        let first: u16 = range.split_whitespace().next().unwrap().parse().unwrap();
        assert!(distinct.iter().all(|&port| port < first), "{range}");
    }

    #[test]
    fn a_missing_clip_names_the_remedy() {
        let error = clip("no-such-clip.mp4").unwrap_err().to_string();
        assert!(error.contains("scripts/setup test"), "{error}");
    }
}
