//! A virtual machine with a kernel of its own, for what needs a real driver: capture devices that come and go.
//!
//! It sees this machine's files, read-only; what it writes is gone with it. Everything is emulated in software, so it
//! runs where no hardware virtualisation is, several times slower than the machine itself.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::paths::cache_dir;
use crate::process::Proc;
use crate::wait::eventually;

/// The address under which programs in the virtual machine reach servers on this machine's 127.0.0.1.
pub const HOST: &str = "10.0.2.2";

/// Idle machines need 6 s.
const BOOT: Duration = Duration::from_mins(2);

/// For one command; what takes longer is started in the background.
const COMMAND: Duration = Duration::from_mins(1);

/// A running virtual machine; it ends with this value, and at the latest with this process.
#[derive(Debug)]
pub struct Vm {
    control: UnixStream,
    process: Proc,
    serial: u32,
    registry: PathBuf,
    _folder: TempDir,
}

impl Vm {
    /// Boots it. Connections to these ports of 127.0.0.1 go to the same ports in the virtual machine.
    pub fn boot(ports: &[u16]) -> Result<Self> {
        let files = cache_dir()?.join("vm");
        for file in ["kernel", "initrd"] {
            let path = files.join(file);
            ensure!(
                path.exists(),
                "{} is missing: run scripts/setup test",
                path.display()
            );
        }
        let registry = registry(&files)?;
        let folder = TempDir::with_prefix("streamhub-vm-")?;
        let socket = folder.path().join("control");
        let forwarded = ports
            .iter()
            .map(|port| format!(",hostfwd=tcp:127.0.0.1:{port}-:{port}"));
        let network: String = std::iter::once("user,id=net".to_owned())
            .chain(forwarded)
            .collect();
        let mut command = Command::new("qemu-system-x86_64");
        command
            .args(["-M", "q35", "-accel", "tcg,thread=multi,tb-size=256", "-cpu", "max", "-smp", "1", "-m", "768"])
            .args(["-nodefaults", "-nographic", "-no-reboot", "-serial", "stdio"])
            .args(["-netdev", &network, "-device", "virtio-net-pci,netdev=net,romfile="])
            .arg("-virtfs")
            .arg("local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap")
            .arg("-chardev")
            .arg(format!("socket,id=control,path={},server=on,wait=on", socket.display()))
            .args(["-device", "virtio-serial-pci", "-device", "virtserialport,chardev=control,name=control"])
            .arg("-kernel")
            .arg(files.join("kernel"))
            .arg("-initrd")
            .arg(files.join("initrd"))
            .arg("-append")
            .arg("console=ttyS0 quiet panic=-1 mitigations=off nowatchdog no_timer_check apparmor=0 random.trust_cpu=on");
        let mut process = Proc::spawn("vm", &mut command)?;
        let connected = eventually(BOOT, "qemu to listen", || {
            let ended = process.status().map(Err);
            UnixStream::connect(&socket).ok().map(Ok).or(ended)
        })?;
        let control = match connected {
            Ok(control) => control,
            Err(status) => bail!("qemu ended with {status}\n{}", process.last_words()),
        };
        process.wait_for_line("init: ready", BOOT)?;
        let mut vm = Self {
            control,
            process,
            serial: 0,
            registry,
            _folder: folder,
        };
        vm.greet()?;
        vm.run("cd /tmp; export HOME=/root")?;
        let registry = vm.registry.display().to_string();
        vm.run(&format!(
            "export GST_REGISTRY={registry} GST_REGISTRY_UPDATE=no"
        ))?;
        Ok(vm)
    }

    /// Waits for the shell: nothing that is written before it listens is sure to reach it.
    fn greet(&mut self) -> Result<()> {
        let mut seen = Vec::new();
        self.control
            .set_read_timeout(Some(Duration::from_millis(500)))?;
        let control = &mut self.control;
        eventually(BOOT, "the shell of the virtual machine", || {
            // To a shell that already listens this says nothing.
            control.write_all(b":\n").ok()?;
            let mut part = [0; 64];
            let count = control.read(&mut part).ok()?;
            seen.extend_from_slice(part.get(..count)?);
            seen.ends_with(b"shell: ready\n").then_some(())
        })
    }

    /// Runs a shell command and returns what it wrote to both outputs; an error unless it succeeds.
    ///
    /// All commands run in one shell, as root: variables stay. Programs for the background must not hold its outputs:
    /// see [`Self::spawn`].
    pub fn run(&mut self, command: &str) -> Result<String> {
        self.serial += 1;
        let end = format!("end-of-command-{}", self.serial);
        self.control
            .write_all(
                format!("{{ {command}\n}} 2>&1; status=$?; echo; echo {end} $status\n").as_bytes(),
            )
            .context("the virtual machine is gone")?;
        let mut answer = Vec::new();
        let limit = Instant::now() + COMMAND;
        loop {
            let left = limit.saturating_duration_since(Instant::now());
            ensure!(
                !left.is_zero(),
                "no end after {COMMAND:?}: {command}\n{}",
                self.process.last_words()
            );
            self.control.set_read_timeout(Some(left))?;
            let mut part = [0; 4096];
            let count = self.control.read(&mut part).with_context(|| {
                let so_far = String::from_utf8_lossy(&answer).into_owned();
                format!(
                    "no end of: {command}\n{so_far}\n{}",
                    self.process.last_words()
                )
            })?;
            ensure!(
                count > 0,
                "the virtual machine ended\n{}",
                self.process.last_words()
            );
            answer.extend_from_slice(part.get(..count).unwrap_or_default());
            let text = String::from_utf8_lossy(&answer);
            if let Some((output, rest)) = text.split_once(&format!("\n{end} "))
                && let Some(status) = rest.strip_suffix('\n')
            {
                ensure!(status == "0", "status {status} from: {command}\n{output}");
                return Ok(output.to_owned());
            }
        }
    }

    /// Starts a program in the background; its outputs go to the console, which the test shows when it fails. Returns
    /// its process id in the virtual machine.
    pub fn spawn(&mut self, command: &str) -> Result<u32> {
        let id = self.run(&format!(
            "{command} > /dev/console 2>&1 < /dev/null & echo $!"
        ))?;
        id.trim().parse().context("no process id")
    }

    /// Loads a driver that comes with the virtual machine: `vivid` or `v4l2loopback`.
    pub fn load(&mut self, driver: &str, options: &str) -> Result<()> {
        let script = format!(
            "for module in $(cat /run/vm/modules/{driver}); do \
               case $module in {driver}.ko) options='{options}';; *) options=;; esac; \
               /run/vm/busybox insmod /run/vm/modules/$module $options 2> /run/insmod || grep -q exists /run/insmod || cat /run/insmod; \
             done; grep -q ^{driver} /proc/modules"
        );
        self.run(&script).map(drop)
    }

    /// What its console has shown so far, programs started with [`Self::spawn`] included.
    pub fn console(&self) -> String {
        self.process.stdout()
    }
}

/// GStreamer's list of its plugins, made here: in the virtual machine it would take half a minute.
fn registry(files: &std::path::Path) -> Result<PathBuf> {
    let registry = files.join("gstreamer-registry.bin");
    let status = Command::new("gst-inspect-1.0")
        .args(["--exists", "v4l2src"])
        .env("GST_REGISTRY", &registry)
        .status()
        .context("gst-inspect-1.0 is missing: run scripts/setup test")?;
    ensure!(
        status.success(),
        "GStreamer has no v4l2src: run scripts/setup test"
    );
    Ok(registry)
}
