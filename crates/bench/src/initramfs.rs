//! `allno initramfs` against 3cpio, GNU cpio and the compressors on the same files: Debian's own cloud initrd, and an image of
//! a whole Debian, about 100 MB compressed. In turn, output thrown away, ratios of medians; the memory is that of the largest
//! process on each side.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base::process::Program;
use base::{Cancel, Context, Error, Result, Size};

use crate::rival::{median, ratio};

const LIMIT: Duration = Duration::from_secs(1800);
/// What Debian's root file system for the large image, and for its initrd, is made of.
const PACKAGES: &str = "linux-image-cloud-amd64,initramfs-tools,zstd";

pub fn measure(allno: &Path, pairs: usize, cache: &Path) -> Result<()> {
    let cannot = || format!("cannot use {}", cache.display());
    std::fs::create_dir_all(cache).context(cannot)?;
    let cache = cache.canonicalize().context(cannot)?;
    // On the disk that holds the inputs, so that all write to the same file system.
    let folder = tempfile::tempdir_in(&cache).context(cannot)?;
    let bench = Bench {
        allno: allno.into(),
        threecpio: threecpio(&cache)?,
        inputs: Inputs::get(&cache)?,
        folder: folder.path().into(),
        pairs,
    };
    bench.inputs.tell()?;
    println!(
        "\nmedian of {pairs}, {} cores; ratios: ours by theirs, of the clock and of processor time; MB: memory of the \
         largest process\n",
        std::thread::available_parallelism().map_or(1, usize::from)
    );
    println!(
        "{:32} {:>10} {:>5}   {:>22}   {:>22}",
        "", "allno", "MB", "3cpio (ratio, MB)", "cpio (ratio, MB)"
    );
    bench.list()?;
    bench.extract()?;
    bench.create()?;
    bench.edit()
}

/// What is packed and unpacked.
struct Inputs {
    initrd: PathBuf,
    /// The root file system that made the initrd, as an image compressed by zstd.
    large: PathBuf,
    /// The same without compression.
    large_plain: PathBuf,
    /// What the initrd holds, and the root file system.
    small_tree: PathBuf,
    large_tree: PathBuf,
}

impl Inputs {
    /// Makes what is not in the cache yet.
    fn get(cache: &Path) -> Result<Inputs> {
        let inputs = Inputs {
            initrd: cache.join("initrd.img"),
            large: cache.join("large.img"),
            large_plain: cache.join("large.cpio"),
            small_tree: cache.join("initrd"),
            large_tree: cache.join("root"),
        };
        if !inputs.large_plain.exists() {
            println!("making the inputs once in {}: some minutes", cache.display());
            let make = format!(
                "set -eu; . /etc/os-release; rm -rf root initrd root.tar; \
                 mmdebstrap --quiet --variant=minbase --include={PACKAGES} \"$VERSION_CODENAME\" root.tar; \
                 mkdir root initrd; tar -C root --exclude=./dev --exclude=./proc --exclude=./sys -xf root.tar; \
                 cp root/boot/initrd.img-* initrd.img; (cd initrd && zstd -dcq ../initrd.img | cpio -id --quiet); \
                 (cd root && find . -mindepth 1 | LC_ALL=C sort | cpio -o -H newc --quiet) > large.new; \
                 zstd -q -f -3 -T0 large.new -o large.img; rm root.tar; mv large.new large.cpio"
            );
            shell(cache, &make)?;
        }
        Ok(inputs)
    }

    fn tell(&self) -> Result<()> {
        for (path, what) in [
            (&self.initrd, "Debian's cloud initrd, zstd"),
            (&self.large, "a whole Debian, zstd -3"),
            (&self.large_plain, "the same, not compressed"),
        ] {
            let size = std::fs::metadata(path).context(|| format!("no {}", path.display()))?.len();
            println!(
                "{:16} {:>10}  {what}",
                path.file_name().unwrap_or_default().to_string_lossy(),
                Size(size).to_string()
            );
        }
        Ok(())
    }
}

fn shell(folder: &Path, line: &str) -> Result<String> {
    let captured = Program::new("sh").arg("-c").arg(line).directory(folder).capture(LIMIT, &Cancel::new())?;
    match captured.status.success() {
        true => Ok(captured.stdout),
        false => {
            Err(Error::failed(format!("this failed: {line}"))
                .output(captured.stderr.lines().map(String::from)))
        }
    }
}

/// 3cpio of PATH, else one that cargo installs into the cache.
fn threecpio(cache: &Path) -> Result<PathBuf> {
    if let Some(found) = base::process::find("3cpio") {
        return Ok(found);
    }
    let binary = cache.join("threecpio/bin/3cpio");
    if !binary.exists() {
        println!("installing 3cpio into {}", cache.display());
        shell(cache, "cargo install --quiet --locked threecpio --root threecpio")?;
    }
    Ok(binary)
}

struct Bench {
    allno: PathBuf,
    threecpio: PathBuf,
    inputs: Inputs,
    folder: PathBuf,
    pairs: usize,
}

/// The times of one way, those of all processors it took, and its memory at most, in KiB.
#[derive(Default)]
struct Series {
    times: Vec<Duration>,
    processor: Vec<Duration>,
    memory: u64,
}

/// One run of it.
struct Run {
    time: Duration,
    processor: Duration,
    memory: u64,
}

impl Series {
    fn median_ms(&self) -> f64 {
        median(&self.times).as_secs_f64() * 1000.0
    }

    fn megabytes(&self) -> f64 {
        self.memory as f64 * 1024.0 / 1e6
    }
}

impl Bench {
    /// Runs the ways in turn; the first round warms up and is not counted. `before` makes room for a run.
    fn row(&self, name: &str, ways: &[Program], before: &dyn Fn() -> Result<()>) -> Result<Vec<Series>> {
        let mut series: Vec<Series> = ways.iter().map(|_| Series::default()).collect();
        for round in 0..=self.pairs {
            for (way, series) in ways.iter().zip(&mut series) {
                before()?;
                let Run { time, processor, memory } = self.once(way)?;
                if round > 0 {
                    series.times.push(time);
                    series.processor.push(processor);
                    series.memory = series.memory.max(memory);
                }
            }
        }
        let ours = &series[0];
        let mut line = format!("{name:32} {:>7.1} ms {:>5.1}", ours.median_ms(), ours.megabytes());
        for rival in &series[1..] {
            let told = format!(
                "{:.1} ms ({:.3}, {:.3}, {:.1})",
                rival.median_ms(),
                ratio(&ours.times, &rival.times),
                ratio(&ours.processor, &rival.processor),
                rival.megabytes()
            );
            line.push_str(&format!("   {told:>29}"));
        }
        println!("{line}");
        Ok(series)
    }

    /// One run in a process of its own, which knows its memory: see `bench once`.
    fn once(&self, way: &Program) -> Result<Run> {
        let this = std::env::current_exe().context(|| "cannot find this program".into())?;
        let once = Program::new(this).arg("once").args(way.words()).directory(&self.folder);
        let once = once.env("ALLNO_STORE", self.folder.join("store"));
        let captured = once.capture(LIMIT, &Cancel::new())?;
        let mut words = captured.stdout.split_whitespace().rev().map(str::parse::<u64>);
        match (captured.status.success(), words.next(), words.next(), words.next()) {
            (true, Some(Ok(memory)), Some(Ok(time)), Some(Ok(processor))) => {
                let (time, processor) = (Duration::from_nanos(time), Duration::from_nanos(processor));
                Ok(Run { time, processor, memory })
            }
            _ => Err(Error::failed(format!("this failed: {}", way.shell_line()))
                .output(captured.stdout.lines().chain(captured.stderr.lines()).map(String::from))),
        }
    }

    fn ours<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Program {
        Program::new(&self.allno).arg("initramfs").args(words)
    }

    fn sh(line: String) -> Program {
        Program::new("sh").arg("-c").arg(line)
    }

    fn images(&self) -> [(&'static str, String, &'static str); 3] {
        let Inputs { initrd, large, large_plain, .. } = &self.inputs;
        [
            ("Debian's initrd", initrd.display().to_string(), "zstd -dcq"),
            ("large image", large.display().to_string(), "zstd -dcq"),
            ("large image, plain", large_plain.display().to_string(), "cat"),
        ]
    }

    fn list(&self) -> Result<()> {
        for (name, image, unpack) in self.images() {
            let ways = [
                self.ours(["ls", &image]),
                Program::new(&self.threecpio).args(["-t", &image]),
                Self::sh(format!("{unpack} {image} | cpio -it --quiet")),
            ];
            self.row(&format!("list {name}"), &ways, &|| Ok(()))?;
        }
        Ok(())
    }

    fn extract(&self) -> Result<()> {
        let out = self.folder.join("out");
        let clear = || {
            if out.exists() {
                std::fs::remove_dir_all(&out).context(|| format!("cannot remove {}", out.display()))?;
            }
            std::fs::create_dir(&out).context(|| format!("cannot make {}", out.display()))
        };
        for (name, image, unpack) in self.images() {
            let ways = [
                self.ours(["unpack", &image, "out"]),
                Program::new(&self.threecpio).args(["-x", "-C", "out", &image]),
                Self::sh(format!("cd out && {unpack} {image} | cpio -id --quiet")),
            ];
            self.row(&format!("extract {name}"), &ways, &clear)?;
        }
        std::fs::remove_dir_all(&out).context(|| format!("cannot remove {}", out.display()))
    }

    fn create(&self) -> Result<()> {
        let outputs = ["ours", "theirs", "cpio"].map(|name| self.folder.join(name));
        let clear = || {
            for output in outputs.iter().filter(|output| output.exists()) {
                std::fs::remove_file(output).context(|| format!("cannot remove {}", output.display()))?;
            }
            Ok(())
        };
        let threecpio = self.threecpio.display();
        for (form, marker, pipe) in [
            ("none", "#cpio", ""),
            ("gzip", "#cpio: gzip -6", "| gzip -n -6"),
            ("zstd", "#cpio: zstd -3", "| zstd -q -3 -T0"),
        ] {
            for (name, tree) in [("initrd", &self.inputs.small_tree), ("large", &self.inputs.large_tree)] {
                let tree = tree.display().to_string();
                let find = "find . -mindepth 1 | LC_ALL=C sort";
                let cpio = format!(
                    "cd {tree} && {find} | cpio -o -H newc -R 0:0 --quiet {pipe} > {}",
                    outputs[2].display()
                );
                let ways = [
                    self.ours(["pack", &tree, "-o", "ours", "--compress", form]),
                    Self::sh(format!(
                        "(echo '{marker}'; cd {tree} && {find}) | {threecpio} -c -C {tree} {}",
                        outputs[1].display()
                    )),
                    Self::sh(cpio),
                ];
                self.row(&format!("create {name}, {form}"), &ways, &clear)?;
                // Once more for the sizes: each run has cleared what the one before it made.
                let mut sizes = Vec::new();
                for (way, output) in ways.iter().zip(&outputs) {
                    self.once(way)?;
                    sizes.push(
                        std::fs::metadata(output).context(|| format!("no {}", output.display()))?.len()
                            as f64,
                    );
                }
                if form != "none" {
                    let [ours, theirs, cpio] = sizes[..] else { continue };
                    println!(
                        "{:32} size by size: {:.4} of 3cpio's, {:.4} of cpio's",
                        "",
                        ours / theirs,
                        ours / cpio
                    );
                }
            }
        }
        clear()
    }

    fn edit(&self) -> Result<()> {
        for (name, image, _) in self.images() {
            let copy = self.folder.join("edited.img");
            std::fs::copy(&image, &copy).context(|| format!("cannot copy {image}"))?;
            let file = self.folder.join("motd");
            let number = std::cell::Cell::new(0);
            let next = || {
                number.set(number.get() + 1);
                std::fs::write(&file, format!("edit {}\n", number.get()))
                    .context(|| "cannot write a file".into())
            };
            let ways = [self.ours(["edit", "edited.img", "etc/motd", "--with", "motd"])];
            next()?;
            let first = self.once(&ways[0])?.time;
            self.row(&format!("edit {name}"), &ways, &next)?;
            println!("{:32} the first, which makes the index: {:.1} ms", "", first.as_secs_f64() * 1000.0);
        }
        Ok(())
    }
}
