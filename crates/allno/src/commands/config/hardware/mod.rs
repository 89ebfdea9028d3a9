//! `allno config hardware`: which options a machine's devices need.

mod answer;
mod draw;

use std::io::Read;
use std::path::Path;

use base::{Error, Kind, Result};
use engine::Session;
use engine::hardware::{self, Distribution, Options, Sources};
use kconfig::{Model, SymbolType};
use ktree::alias::AliasTable;
use ktree::device::{Device, with_expected};
use ktree::lspci;
use ktree::sysfs::{self, Ecam, NotSysfs};
use machine::ConfigurationSpace;
use serde_json::json;

use self::answer::{Assembly, Present};
use super::world::{Wishes, World};
use super::{Answer, Context};
use crate::arguments::{ConfigHardware, Spec, TablesFrom};
use crate::commands::current;
use crate::output;

/// Larger than any listing of a machine's PCI devices.
const LARGEST_LISTING: u64 = 16 << 20;
/// The series whose package is asked for where a tree does not say its own.
const NO_SERIES: &str = "unknown";

/// What is known of the machine before anybody is asked who drives what.
pub(super) struct Seen {
    /// "q35", "/sys", "standard input".
    name: String,
    /// One line.
    about: String,
    /// How its devices are found.
    discovery: String,
    /// Where all this is known from.
    source: Option<String>,
    /// How PCI's configuration space is reached.
    pci: Option<ConfigurationSpace>,
    devices: Vec<Present>,
}

/// Runs it. Must be called on a deep stack.
pub fn run(context: &Context, arguments: &ConfigHardware) -> Result<Answer> {
    let seen = seen(arguments)?;
    let world = World::load(context, &arguments.of)?;
    let session = session(context, arguments)?;
    let arch = source_arch(&world.arch);
    let distribution = distribution(&session, &world, arguments.from)?;
    let sources = match arguments.from {
        Some(TablesFrom::Distribution) => None,
        _ => {
            let digest = world.source.as_ref().map(|source| source.digest.as_str());
            Some(hardware::sources(&session, &world.tree, arch, digest)?)
        }
    };
    let options = Options::read(&world.tree, arch)?;
    let table = tables(distribution.as_ref(), sources.as_ref(), &options, &world.model);
    let mut resolved = world.resolved(context);
    let mut assembly = Assembly::new(&mut resolved, &options, &table, arguments.all, &asked(&world));
    let space = seen.pci.map(|pci| assembly.configuration_space(pci == ConfigurationSpace::Ecam));
    let devices = assembly.devices(seen.devices);
    let add = assembly.add(&devices);
    let object = json!({
        "machine": seen.name,
        "about": seen.about,
        "discovery": {"about": seen.discovery, "pci": seen.pci, "configuration_space": space, "source": seen.source},
        "tables": {"distribution": distribution, "sources": sources},
        "devices": output::object(&devices)?,
        "add": output::object(&add)?,
        "kernel_version": world.version,
    });
    Answer::new(context.global, &object, || {
        let tables = draw::TablesLine {
            distribution: distribution.as_ref(),
            sources: sources.as_ref(),
            version: &world.version,
        };
        let head = draw::Head {
            name: &seen.name,
            about: &seen.about,
            discovery: &seen.discovery,
            source: seen.source.as_deref(),
            space: space.as_deref().unwrap_or_default(),
            tables,
        };
        draw::whole(&head, &devices, &add, arguments.all, super::look(context), super::width(context))
    })
}

/// A tree of one's own has no spec, whatever lies in the current folder.
fn session(context: &Context, arguments: &ConfigHardware) -> Result<Session> {
    if arguments.of.tree.is_none() {
        return context.session(&Spec { spec: arguments.of.spec.clone() }).map(|(session, _)| session);
    }
    Ok(Session {
        store: store::Store::open(context.store_path()?)?,
        project: store::Project::at(&current()?)?,
        events: context.events.clone(),
        cancel: context.cancel.clone(),
        offline: context.global.offline,
    })
}

/// Debian's modules, if they are asked for or within reach.
fn distribution(session: &Session, world: &World, from: Option<TablesFrom>) -> Result<Option<Distribution>> {
    if from == Some(TablesFrom::Tree) {
        return Ok(None);
    }
    let series: Vec<&str> = world.version.splitn(3, ['.', '-']).take(2).collect();
    let series = if series.len() == 2 { series.join(".") } else { NO_SERIES.to_string() };
    let found = match source_arch(&world.arch) {
        "x86" => hardware::distribution(session, &series),
        other => Err(Error::host(format!(
            "the package that is asked is for x86, and the tree is configured for {other}"
        ))),
    };
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if from.is_some() || error.kind() == Kind::Cancelled => Err(error),
        Err(error) => {
            let mut said = error.message().to_string();
            error.notes().iter().for_each(|note| said.push_str(&format!("; {note}")));
            session.events.warn(format!("{said}; the tree's own sources answer alone"));
            Ok(None)
        }
    }
}

/// What a spec asks for stays; what a `.config` has follows from so little that only the question before all others does: with
/// EXPERT=n, which allnoconfig has by itself, hundreds of options come on unasked.
fn asked(world: &World) -> Vec<String> {
    match &world.wishes {
        Wishes::Requests(requests) => {
            requests.iter().filter(|it| it.value == "y").map(|it| it.name.to_string()).collect()
        }
        Wishes::File(..) => vec!["EXPERT".to_string()],
    }
}

/// Both tables in one. A source that is a part of a module goes by the module's name, unless the part asks for more than the module
/// does (8250_pnp.c for SERIAL_8250_PNP).
fn tables(
    distribution: Option<&Distribution>,
    sources: Option<&Sources>,
    options: &Options,
    model: &Model,
) -> AliasTable {
    let mut table = AliasTable::new();
    if let Some(distribution) = distribution {
        table.extend(&distribution.table);
    }
    let modules: std::collections::BTreeSet<String> = table.drivers().map(str::to_string).collect();
    if let Some(sources) = sources {
        for (driver, pattern) in sources.table.all() {
            let is_module = |whole: &String| modules.contains(whole) || is_tristate(model, options, whole);
            let whole = options.composite(driver).filter(is_module);
            let whole = whole.filter(|whole| same_options(options, whole, driver));
            table.claim(whole.as_deref().unwrap_or(driver), pattern);
        }
    }
    table
}

/// Whether a composite object is a module if its options say so; drivers/acpi/acpi.o, for one, is only ever built in.
fn is_tristate(model: &Model, options: &Options, driver: &str) -> bool {
    let tristate =
        |name: &String| model.find(name).is_some_and(|id| model.symbol(id).kind == SymbolType::Tristate);
    options.of(driver).iter().any(|way| way.options.iter().all(tristate))
}

fn same_options(options: &Options, left: &str, right: &str) -> bool {
    let all = |driver: &str| options.of(driver).into_iter().map(|way| way.options).collect::<Vec<_>>();
    all(left) == all(right)
}

/// The folder below arch/ of what ARCH= names (kernel: Makefile, SRCARCH).
fn source_arch(arch: &str) -> &str {
    match arch {
        "x86_64" | "i386" => "x86",
        "sparc32" | "sparc64" => "sparc",
        "parisc64" => "parisc",
        other => other,
    }
}

fn seen(arguments: &ConfigHardware) -> Result<Seen> {
    match (&arguments.machine, &arguments.sysfs, &arguments.lspci) {
        (Some(name), _, _) => of_machine(name),
        (_, Some(folder), _) => of_sysfs(folder),
        (_, _, Some(file)) => of_lspci(file),
        _ => Err(Error::input("no machine is named").hint("allno config hardware q35")),
    }
}

fn of_machine(name: &str) -> Result<Seen> {
    let described = hardware::of_machine(name).map_err(|error| {
        let is_known = error.notes().iter().any(|note| note.starts_with("there are"));
        let error = match is_known {
            true => error,
            false => error.note(format!("there are: {}", hardware::machine_names().join(", "))),
        };
        error.hint("devices of a machine of your own: allno config hardware --sysfs /sys")
    })?;
    let devices = described.devices.into_iter().map(|(device, optional)| Present { device, optional });
    Ok(Seen {
        name: name.to_string(),
        about: described.machine.about,
        discovery: described.discovery.about,
        source: Some(described.discovery.source),
        pci: described.discovery.pci,
        devices: devices.collect(),
    })
}

fn present(devices: Vec<Device>) -> Vec<Present> {
    with_expected(devices).into_iter().map(|device| Present { device, optional: false }).collect()
}

fn of_sysfs(folder: &Path) -> Result<Seen> {
    let shown = folder.display();
    let machine = sysfs::read(folder).map_err(|cause| {
        let expected =
            "expected: /sys of a running Linux, or a copy of it with its links, with bus/NAME/devices in it";
        match cause {
            NotSysfs::Unreadable(cause) => {
                Error::input(format!("cannot read {shown}")).note(cause.to_string())
            }
            NotSysfs::NoBuses => {
                Error::input(format!("{shown} is no copy of /sys: it has no bus with devices"))
            }
            NotSysfs::NoDevices => {
                Error::input(format!("no device in {shown} says what it is (a file modalias)"))
            }
        }
        .note(expected)
        .hint("a copy: cd /sys && tar c bus devices firmware/acpi/tables 2>/dev/null | tar x -C DIR")
    })?;
    let pci = machine.ecam.map(|ecam| match ecam {
        Ecam::Used | Ecam::Offered => ConfigurationSpace::Ecam,
        Ecam::Absent => ConfigurationSpace::Type1,
    });
    let mut discovery = Vec::new();
    discovery.push(match machine.acpi {
        true => "The kernel read the firmware's ACPI tables.",
        false => "The kernel read no ACPI tables: there are none, or it has no ACPI.",
    });
    if pci.is_some() {
        discovery.push(match machine.acpi_root {
            true => "They name the root of the PCI bus.",
            false => "The root of the PCI bus is in no table: bus 0 was looked for.",
        });
    }
    discovery.extend(machine.ecam.map(|ecam| match ecam {
        Ecam::Used => "PCI's configuration space is reached in memory (ECAM): a device shows all 4,096 bytes of it.",
        Ecam::Offered => {
            "The table MCFG offers PCI's configuration space in memory (ECAM); no device shows more than the 256 bytes of type 1."
        }
        Ecam::Absent => "PCI's configuration space is reached by type 1, the ports 0xCF8 and 0xCFC: no table MCFG.",
    }));
    Ok(Seen {
        name: shown.to_string(),
        about: format!("{} devices say what they are", machine.devices.len()),
        discovery: discovery.join(" "),
        source: None,
        pci,
        devices: present(machine.devices),
    })
}

fn of_lspci(file: &Path) -> Result<Seen> {
    let is_standard = file == Path::new("-");
    let name = if is_standard { "standard input".to_string() } else { file.display().to_string() };
    let cannot = |cause: std::io::Error| Error::input(format!("cannot read {name}")).note(cause.to_string());
    let mut bytes = Vec::new();
    match is_standard {
        true => std::io::stdin().lock().take(LARGEST_LISTING + 1).read_to_end(&mut bytes),
        false => {
            std::fs::File::open(file).and_then(|file| file.take(LARGEST_LISTING + 1).read_to_end(&mut bytes))
        }
    }
    .map_err(cannot)?;
    if bytes.len() as u64 > LARGEST_LISTING {
        return Err(Error::input(format!(
            "{name} is larger than {} MiB: no list of devices is",
            LARGEST_LISTING >> 20
        )));
    }
    let text = String::from_utf8_lossy(&bytes);
    let listing = lspci::parse(&text);
    if listing.devices.is_empty() {
        let expected =
            "expected: lines like \"00:03.0 Ethernet controller [0200]: Intel Corporation … [8086:100e]\"";
        let error = match listing.without_identifiers.first() {
            Some(line) => Error::input(format!(
                "{name} has devices, but no numbers of theirs: [VENDOR:DEVICE] is missing (line {line})"
            )),
            None => Error::input(format!("{name} is no output of lspci -nn")),
        };
        return Err(error.note(expected).hint("lspci -nn | allno config hardware --lspci -"));
    }
    Ok(Seen {
        about: format!("{} PCI devices", listing.devices.len()),
        name,
        discovery:
            "lspci tells of the PCI bus alone, and not how its root or its configuration space was found."
                .into(),
        source: None,
        pci: None,
        devices: present(listing.devices),
    })
}
