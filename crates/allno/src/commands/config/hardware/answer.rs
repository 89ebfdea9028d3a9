//! From devices to options: who drives each, what that hangs on, and the fewest lines that bring all.

use std::collections::HashMap;

use engine::hardware::Options;
use explain::Resolved;
use kconfig::{SymbolType, Tristate};
use ktree::alias::{AliasTable, Claim};
use ktree::device::{Device, Found, Purpose, goes_with};
use need::{Answer as Needed, Goal, Limits, Wanted};
use serde::Serialize;

/// A device, and whether each machine of its kind has it.
pub(super) struct Present {
    pub device: Device,
    pub optional: bool,
}

/// One option, as things are.
#[derive(Clone, Debug, Serialize)]
pub(super) struct OptionState {
    /// Its name without `CONFIG_`.
    pub symbol: String,
    /// Its value; null where no Kconfig file of the tree has it.
    pub value: Option<String>,
    /// Why it is asked for.
    pub why: Option<String>,
    /// What else has to be set so that it can be had: names with the values they need.
    pub lacks: Vec<String>,
    /// Why it cannot be had at all.
    pub impossible: Option<String>,
}

impl OptionState {
    /// Whether it is there, built in or as a module.
    pub fn is_on(&self) -> bool {
        matches!(self.value.as_deref(), Some("y" | "m"))
    }
}

/// A way to have a driver.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Way {
    /// All of them together.
    pub options: Vec<OptionState>,
    /// The line of the Makefile.
    pub place: String,
}

/// A driver that claims a device.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Driver {
    /// The path of its object in the tree, without ".o".
    pub driver: String,
    /// The pattern by which it claims the device.
    pub pattern: String,
    /// Whether it claims a whole class, and another claims this very device.
    pub generic: bool,
    /// The ways to have it, any of which will do.
    pub ways: Vec<Way>,
}

impl Driver {
    /// The last part of its path.
    pub fn name(&self) -> &str {
        self.driver.rsplit('/').next().unwrap_or(&self.driver)
    }

    /// The way that is open, else the first.
    pub fn best(&self) -> Option<&Way> {
        self.ways.iter().find(|way| way.options.iter().all(OptionState::is_on)).or(self.ways.first())
    }

    /// Whether some way is open.
    pub fn is_on(&self) -> bool {
        self.ways.iter().any(|way| way.options.iter().all(OptionState::is_on))
    }
}

/// How it stands with a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Standing {
    /// All that it needs is on.
    There,
    /// Some option is off.
    Missing,
    /// No driver claims it, and it is of a kind that needs none.
    NeedsNone,
    /// No driver claims it.
    Unclaimed,
}

/// A device and what it needs.
#[derive(Clone, Debug, Serialize)]
pub(super) struct DeviceAnswer {
    #[serde(flatten)]
    pub device: Device,
    /// Not every machine of the kind has it.
    pub optional: bool,
    pub purpose: Purpose,
    /// Whether it counts for what is to be added.
    pub wanted: bool,
    pub standing: Standing,
    /// Without these it is not found.
    pub transport: Vec<OptionState>,
    /// The drivers that claim it, the most exact first.
    pub drivers: Vec<Driver>,
    /// The one of them that is taken: its place in `drivers`.
    pub taken: Option<usize>,
    /// Without these it is of little use.
    pub goes_with: Vec<OptionState>,
}

impl DeviceAnswer {
    /// All options it asks for.
    fn options(&self) -> impl Iterator<Item = &OptionState> {
        let way = self.taken.and_then(|taken| self.drivers.get(taken)).and_then(Driver::best);
        let driver = way.map(|way| way.options.as_slice()).unwrap_or_default();
        self.transport.iter().chain(driver).chain(&self.goes_with)
    }
}

/// The fewest lines that bring all wanted devices.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Add {
    /// The options that are off.
    pub wanted: Vec<String>,
    /// What a person sets: `NAME=VALUE`; empty where all is there.
    pub set: Vec<String>,
    /// What else becomes different by it.
    pub follows: Vec<String>,
    /// Whether it is proved that fewer are not enough.
    pub smallest: bool,
    /// Why there is no such set, or none was found.
    pub refused: Option<String>,
}

/// Puts the answer together.
pub(super) struct Assembly<'a, 'm> {
    resolved: &'a mut Resolved<'m>,
    options: &'a Options,
    table: &'a AliasTable,
    all: bool,
    /// What was asked for and is to stay as it is.
    kept: Vec<Goal>,
    known: HashMap<String, OptionState>,
}

impl<'a, 'm> Assembly<'a, 'm> {
    pub fn new(
        resolved: &'a mut Resolved<'m>,
        options: &'a Options,
        table: &'a AliasTable,
        all: bool,
        asked: &[String],
    ) -> Assembly<'a, 'm> {
        let model = resolved.model();
        let logical = |goal: &Goal| model.symbol(goal.symbol).kind.is_logical();
        let goals = asked.iter().filter_map(|name| Goal::parse(model, name).ok()).filter(logical);
        let granted = |goal: &Goal| resolved.configuration().logical(goal.symbol) == Tristate::Yes;
        let kept: Vec<Goal> = goals.collect::<Vec<_>>().into_iter().filter(granted).collect();
        Assembly { resolved, options, table, all, kept, known: HashMap::new() }
    }

    pub fn devices(&mut self, devices: Vec<Present>) -> Vec<DeviceAnswer> {
        devices.into_iter().map(|present| self.device(present)).collect()
    }

    fn device(&mut self, Present { device, optional }: Present) -> DeviceAnswer {
        let purpose = device.purpose();
        let drivers = self.drivers(&device);
        let taken = taken(&device, &drivers);
        let claimed = taken.is_some();
        let wanted =
            device.found != Found::Kernel && (self.all && claimed || purpose.is_wanted() && !optional);
        let transport =
            device.found.options().iter().map(|(name, why)| self.state(name, Some(why))).collect();
        let with = device.identities.iter().flat_map(|identity| goes_with(identity));
        let goes_with = with.map(|(name, why)| self.state(name, Some(why))).collect();
        let mut answer = DeviceAnswer {
            device,
            optional,
            purpose,
            wanted,
            standing: Standing::There,
            transport,
            drivers,
            taken,
            goes_with,
        };
        let all_on = answer.options().all(OptionState::is_on);
        answer.standing = match (claimed, all_on) {
            (true, true) => Standing::There,
            (true, false) => Standing::Missing,
            (false, _) if matches!(purpose, Purpose::Passive) || answer.device.found == Found::Kernel => {
                Standing::NeedsNone
            }
            (false, _) => Standing::Unclaimed,
        };
        answer
    }

    /// The ways to PCI's configuration space, where there is a PCI bus (kernel: arch/x86/Kconfig).
    pub fn configuration_space(&mut self, ecam: bool) -> Vec<OptionState> {
        let type_1 = self.state("PCI_DIRECT", Some("type 1, the ports 0xCF8 and 0xCFC"));
        let in_memory = ecam.then(|| self.state("PCI_MMCONFIG", Some("ECAM, in memory")));
        [type_1].into_iter().chain(in_memory).filter(|option| option.value.is_some()).collect()
    }

    /// Who claims it, by any of its names, the most exact first.
    fn drivers(&mut self, device: &Device) -> Vec<Driver> {
        let table = self.table;
        let mut claims: Vec<Claim> = Vec::new();
        for identity in &device.identities {
            for claim in table.claims(identity) {
                if !claims.iter().any(|known| known.driver == claim.driver) {
                    claims.push(claim);
                }
            }
        }
        claims.retain(|claim| exactness(claim.pattern) > 0 && !is_lender(claim.driver));
        let strongest = claims.iter().map(|claim| exactness(claim.pattern)).max().unwrap_or(0);
        claims.sort_by_key(|claim| std::cmp::Reverse(exactness(claim.pattern)));
        let drivers = claims.into_iter().map(|claim| Driver {
            generic: exactness(claim.pattern) < strongest,
            ways: self.ways(claim.driver),
            driver: claim.driver.to_string(),
            pattern: claim.pattern.to_string(),
        });
        // A driver that no Makefile of this tree has belongs to another architecture or series.
        drivers.filter(|driver| !driver.ways.is_empty()).collect()
    }

    fn ways(&mut self, driver: &str) -> Vec<Way> {
        let ways = self.options.of(driver).into_iter().map(|way| Way {
            options: way.options.iter().map(|name| self.state(name, None)).collect(),
            place: way.place,
        });
        // A way by an option that no Kconfig file has is no way.
        ways.filter(|way| way.options.iter().all(|option| option.value.is_some())).collect()
    }

    fn state(&mut self, name: &str, why: Option<&str>) -> OptionState {
        let why = why.map(str::to_string);
        if let Some(known) = self.known.get(name) {
            return OptionState { why, ..known.clone() };
        }
        let state = self.new_state(name);
        self.known.insert(name.to_string(), state.clone());
        OptionState { why, ..state }
    }

    fn new_state(&mut self, name: &str) -> OptionState {
        let mut state = OptionState {
            symbol: name.to_string(),
            value: None,
            why: None,
            lacks: Vec::new(),
            impossible: None,
        };
        let model = self.resolved.model();
        let Some(id) = model.find(name).filter(|&id| model.symbol(id).kind != SymbolType::Unknown) else {
            return state;
        };
        state.value = Some(self.resolved.value(id));
        if state.is_on() {
            return state;
        }
        let goal = Goal { symbol: id, value: Wanted::Logical(Tristate::Yes) };
        let goals: Vec<Goal> = self.kept.iter().cloned().chain([goal]).collect();
        match need::need(self.resolved.configuration(), &goals, &Limits::default()) {
            Needed::Possible(possible) => {
                let changes = possible.changes.iter().filter(|change| change.symbol != name);
                state.lacks = changes.map(|change| format!("{}={}", change.symbol, change.to)).collect();
            }
            Needed::Impossible(impossible) => {
                let reasons =
                    impossible.reasons.iter().map(|reason| format!("{} {}", reason.symbol, reason.why));
                state.impossible = Some(reasons.collect::<Vec<_>>().join("; "));
            }
            Needed::GaveUp(gave_up) => state.impossible = Some(gave_up.why),
        }
        state
    }

    /// What has to be set so that all wanted devices have what they need.
    pub fn add(&mut self, devices: &[DeviceAnswer]) -> Add {
        let mut wanted: Vec<String> = Vec::new();
        for device in devices.iter().filter(|device| device.wanted) {
            for option in device.options() {
                let can_be_had = option.value.is_some() && option.impossible.is_none();
                if can_be_had && !option.is_on() && !wanted.contains(&option.symbol) {
                    wanted.push(option.symbol.clone());
                }
            }
        }
        let mut add = Add { wanted, set: Vec::new(), follows: Vec::new(), smallest: true, refused: None };
        let model = self.resolved.model();
        let goals: Vec<Goal> = add.wanted.iter().filter_map(|name| Goal::parse(model, name).ok()).collect();
        if goals.is_empty() {
            return add;
        }
        let goals: Vec<Goal> = self.kept.iter().cloned().chain(goals).collect();
        match need::need(self.resolved.configuration(), &goals, &Limits::default()) {
            Needed::Possible(possible) => {
                add.smallest = possible.smallest;
                add.set = possible
                    .changes
                    .iter()
                    .map(|change| format!("{}={}", change.symbol, change.to))
                    .collect();
                add.follows =
                    possible.consequences.iter().map(|it| format!("{}={}", it.symbol, it.to)).collect();
            }
            other => add.refused = Some(other.to_string()),
        }
        add
    }
}

/// The driver that has the device, where one is seen to; else, of the most exact, one that is on, else the first.
fn taken(device: &Device, drivers: &[Driver]) -> Option<usize> {
    let plain = |name: &str| name.replace('-', "_");
    let bound = device.bound.as_ref().and_then(|bound| {
        let names = [Some(&bound.driver), bound.module.as_ref()];
        drivers
            .iter()
            .position(|driver| names.iter().flatten().any(|name| plain(name) == plain(driver.name())))
    });
    let on = || drivers.iter().position(|driver| !driver.generic && driver.is_on());
    let generic = || drivers.iter().position(Driver::is_on);
    bound
        .or_else(on)
        .or_else(|| generic().filter(|_| drivers.iter().all(|driver| driver.generic)))
        .or((!drivers.is_empty()).then_some(0))
}

/// Drivers that take a device to hand it on (to a guest, to user space, to another layer of the kernel), or all that are left:
/// nobody means them who wants to use the device here.
const LENDERS: &[&str] =
    &["drivers/vdpa/", "drivers/vfio/", "drivers/xen/xen-pciback/", "drivers/acpi/acpi_pnp"];

fn is_lender(driver: &str) -> bool {
    LENDERS.iter().any(|start| driver.starts_with(start))
}

/// How exactly a pattern names a device: a PCI device by its number or its vendor, by its class, not at all.
fn exactness(pattern: &str) -> usize {
    match pattern.strip_prefix("pci:v") {
        None => 2,
        Some(rest) if !rest.starts_with('*') => 2,
        Some(rest) if rest.contains("bc*") => 0,
        Some(_) => 1,
    }
}
