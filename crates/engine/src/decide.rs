//! What can be decided from the spec alone, before anything is fetched: machine, network, accounts, compression.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use base::{Cancel, Context, Error, Result};
use initramfs::Compression;
use machine::{Machine, Network};
use netboot::{IpArgument, StaticAddress};
use toml::Spanned;

use crate::data::MACHINE_FOLDER;
use crate::image::node::Settings;
use crate::recipe::{Recipe, RecipeKind, in_build_order};
use crate::spec::SpecFile;

/// The machine when the spec names none: of those that QEMU has, the one that starts fastest.
pub const DEFAULT_MACHINE: &str = "microvm";
/// The kernel series when the spec names none.
pub const DEFAULT_SERIES: &str = "6.12";
/// The rungs when the spec names none.
pub const DEFAULT_RUNG: &str = "node";
const DEFAULT_RECIPES: [&str; 3] = ["busybox", "openssh", "iputils"];
const DEFAULT_MEMORY: u64 = 256 << 20;
/// SLiRP's own addresses (QEMU: net/slirp.c): the first lease, the host, the resolver.
const SLIRP: (&str, Ipv4Addr, Ipv4Addr) =
    ("10.0.2.15/24", Ipv4Addr::new(10, 0, 2, 2), Ipv4Addr::new(10, 0, 2, 3));

/// What the command line says on top of the spec.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--machine`
    pub machine: Option<String>,
    /// `--append`
    pub append: Option<String>,
    /// `--memory`, in bytes.
    pub memory: Option<u64>,
    /// `--initramfs`: this archive in the place of the packed one.
    pub initramfs: Option<PathBuf>,
}

/// The decisions.
#[derive(Clone, Debug)]
pub struct Decisions {
    /// The machine to boot on.
    pub machine: Machine,
    /// Memory in MiB.
    pub memory: u32,
    /// QEMU's side of the network.
    pub network: Network,
    /// The guest's side, when the kernel sets it up.
    pub ip: Option<IpArgument>,
    /// The guest's address, when it is fixed.
    pub address: Option<Ipv4Addr>,
    /// How the initramfs is compressed.
    pub compression: Compression,
    /// What fills the node's templates.
    pub settings: Settings,
    /// The recipes in build order.
    pub recipes: Vec<Recipe>,
    /// The private key that opens the node, if it is known.
    pub ssh_key: Option<PathBuf>,
}

/// Decides what can be decided.
///
/// # Errors
/// Anything the spec names that is not there or makes no sense, pointing at its line.
pub fn decide(spec: &SpecFile, overrides: &Overrides, cancel: &Cancel) -> Result<Decisions> {
    let machine = machine(spec, overrides)?;
    let recipes = recipes(spec)?;
    let interface = match &spec.spec.network.interface {
        Some(interface) => interface.get_ref().clone(),
        None => machine.interface.clone().unwrap_or_else(|| "eth0".to_string()),
    };
    let guest = guest_network(spec, &interface)?;
    let (authorized_keys, ssh_key) = keys(spec, cancel)?;
    let user = match &spec.spec.accounts.user {
        Some(user) => account_name(spec, user)?,
        None => "user".to_string(),
    };
    let full = full_crypto(spec)?;
    let programs = recipes.iter().filter(|recipe| recipe.kind == RecipeKind::Program);
    let settings = Settings {
        hostname: guest.hostname,
        user,
        interface,
        authorized_keys,
        resolvers: guest.resolvers,
        host_key_types: if full { vec!["ed25519", "ecdsa"] } else { vec!["ed25519"] },
        accounts: programs.flat_map(|recipe| recipe.account.clone()).collect(),
    };
    Ok(Decisions {
        memory: memory(spec, overrides)?,
        network: guest.network,
        ip: guest.ip,
        address: guest.address,
        compression: compression(spec)?,
        machine,
        settings,
        recipes,
        ssh_key,
    })
}

fn machine(spec: &SpecFile, overrides: &Overrides) -> Result<Machine> {
    let named = spec.spec.machine.name.as_ref();
    let (name, span) = match (&overrides.machine, named) {
        (Some(name), _) => (name.as_str(), None),
        (None, Some(name)) => (name.get_ref().as_str(), Some(name.span())),
        (None, None) => (DEFAULT_MACHINE, None),
    };
    let place = MACHINE_FOLDER.place(name).map_err(|error| match span {
        Some(span) => error.at(spec.place.snippet(span)),
        None => error,
    })?;
    Machine::parse(&place.path, &place.text)
}

fn memory(spec: &SpecFile, overrides: &Overrides) -> Result<u32> {
    let bytes = match (overrides.memory, &spec.spec.machine.memory) {
        (Some(bytes), _) => bytes,
        (None, Some(memory)) => memory.get_ref().0,
        (None, None) => DEFAULT_MEMORY,
    };
    let mebibytes = bytes >> 20;
    match u32::try_from(mebibytes) {
        Ok(mebibytes) if mebibytes >= 32 => Ok(mebibytes),
        _ => {
            let error = Error::input(format!("{mebibytes} MiB of memory: the node needs at least 32"));
            Err(match &spec.spec.machine.memory {
                Some(memory) if overrides.memory.is_none() => error.at(spec.place.snippet(memory.span())),
                _ => error,
            })
        }
    }
}

fn compression(spec: &SpecFile) -> Result<Compression> {
    let Some(name) = &spec.spec.initramfs.compression else { return Ok(Compression::None) };
    name.get_ref().parse().map_err(|error: initramfs::Error| spec.error(name.span(), error.to_string()))
}

fn full_crypto(spec: &SpecFile) -> Result<bool> {
    match &spec.spec.userland.crypto {
        None => Ok(false),
        Some(crypto) => {
            match crypto.get_ref().as_str() {
                "built-in" => Ok(false),
                "full" => Ok(true),
                other => Err(spec
                    .error(crypto.span(), format!("expected \"built-in\" or \"full\", found \"{other}\""))),
            }
        }
    }
}

fn recipes(spec: &SpecFile) -> Result<Vec<Recipe>> {
    let full = full_crypto(spec)?;
    let wanted = match &spec.spec.userland.recipes {
        Some(names) => names
            .iter()
            .map(|name| Recipe::load(name.get_ref(), spec, Some(spec.place.snippet(name.span()))))
            .collect::<Result<Vec<_>>>()?,
        None => {
            DEFAULT_RECIPES.iter().map(|name| Recipe::load(name, spec, None)).collect::<Result<Vec<_>>>()?
        }
    };
    let wanted = wanted.into_iter().map(|it| if full { it.with_variant("full") } else { it }).collect();
    in_build_order(wanted, spec)
}

struct GuestNetwork {
    network: Network,
    ip: Option<IpArgument>,
    address: Option<Ipv4Addr>,
    hostname: String,
    resolvers: Vec<String>,
}

fn guest_network(spec: &SpecFile, interface: &str) -> Result<GuestNetwork> {
    let asked = &spec.spec.network;
    let hostname = asked.hostname.as_ref().map_or("node", |it| it.get_ref().as_str()).to_string();
    let point = |field: &Option<Spanned<String>>, error: netboot::IpError| {
        let error = Error::input(error.to_string());
        field.as_ref().map_or(error.clone(), |it| error.at(spec.place.snippet(it.span())))
    };
    let tap = asked.tap.as_ref().map(|tap| Network::Tap { interface: tap.get_ref().clone() });
    let address = asked.address.as_ref().map(|it| it.get_ref().as_str());
    let blame = if asked.hostname.is_some() { &asked.hostname } else { &asked.interface };
    match (address, tap) {
        (Some("dhcp"), tap) => {
            let ip = IpArgument::dhcp(&hostname, interface).map_err(|error| point(blame, error))?;
            let network = tap.unwrap_or_else(Network::user);
            Ok(GuestNetwork { network, ip: Some(ip), address: None, hostname, resolvers: vec![] })
        }
        (None, Some(tap)) => {
            let resolvers = resolvers(spec)?.unwrap_or_default();
            let resolvers = resolvers.iter().map(Ipv4Addr::to_string).collect();
            Ok(GuestNetwork { network: tap, ip: None, address: None, hostname, resolvers })
        }
        (address, tap) => {
            let own = address.is_some();
            let address: StaticAddress =
                address.unwrap_or(SLIRP.0).parse().map_err(|error| point(&asked.address, error))?;
            let gateway = match &asked.gateway {
                Some(gateway) => Some(ipv4(spec, gateway)?),
                None => (!own).then_some(SLIRP.1),
            };
            let resolvers = resolvers(spec)?.unwrap_or(if own { vec![] } else { vec![SLIRP.2] });
            let ip =
                IpArgument::fixed(address, gateway, &hostname, interface, &resolvers).map_err(|error| {
                    let field = match error {
                        netboot::IpError::GatewayOffLink { .. } => &asked.gateway,
                        _ => blame,
                    };
                    point(field, error)
                })?;
            let network = tap.unwrap_or_else(|| Network::User {
                guest: Some(address.address),
                network: Some(format!("{}/{}", address.network(), address.prefix)),
                host: gateway,
                restrict: false,
            });
            let resolvers = resolvers.iter().map(Ipv4Addr::to_string).collect();
            Ok(GuestNetwork { network, ip: Some(ip), address: Some(address.address), hostname, resolvers })
        }
    }
}

fn resolvers(spec: &SpecFile) -> Result<Option<Vec<Ipv4Addr>>> {
    let Some(dns) = &spec.spec.network.dns else { return Ok(None) };
    if dns.len() > 2 {
        return Err(
            spec.error(dns[2].span(), "the kernel's ip= carries two resolvers, and this is one too many")
        );
    }
    dns.iter().map(|it| ipv4(spec, it)).collect::<Result<Vec<_>>>().map(Some)
}

fn ipv4(spec: &SpecFile, text: &Spanned<String>) -> Result<Ipv4Addr> {
    text.get_ref().parse().map_err(|_| {
        spec.error(
            text.span(),
            format!("expected an IPv4 address such as \"10.0.2.2\", found \"{}\"", text.get_ref()),
        )
    })
}

/// A name `useradd` would take (shadow: lib/chkname.c), and not one the node has already.
fn account_name(spec: &SpecFile, name: &Spanned<String>) -> Result<String> {
    let text = name.get_ref();
    let first = text.starts_with(|letter: char| letter.is_ascii_lowercase() || letter == '_');
    let rest = text
        .chars()
        .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "_-".contains(letter));
    if !first || !rest || text.len() > 31 || ["root", "sshd", "tty"].contains(&text.as_str()) {
        let error = spec.error(name.span(), format!("\"{text}\" cannot be the ordinary user's name"));
        return Err(error.note(
            "lower-case letters, digits, - and _, beginning with a letter, and not an account the node has",
        ));
    }
    Ok(text.clone())
}

/// The public keys as lines of authorized_keys, and the private key where it is known.
fn keys(spec: &SpecFile, cancel: &Cancel) -> Result<(String, Option<PathBuf>)> {
    let asked = &spec.spec.accounts.authorized_keys;
    if asked.is_empty() {
        let pair = machine::key::ensure(&key_folder()?, cancel)?;
        let public = &pair.public;
        let text = std::fs::read_to_string(public).context(|| format!("cannot read {}", public.display()))?;
        return Ok((key_lines(&text), Some(pair.private)));
    }
    let (mut lines, mut private) = (String::new(), None);
    for key in asked {
        let span = key.span();
        let text = key.get_ref();
        let is_key = text.split_whitespace().nth(1).is_some_and(|base64| base64.starts_with("AAAA"));
        let content = if is_key {
            text.clone()
        } else {
            let path = spec.existing_file(&Spanned::new(span.clone(), PathBuf::from(text)))?;
            let sibling = path.with_extension("");
            if path.extension().is_some_and(|it| it == "pub") && sibling.is_file() {
                private.get_or_insert(sibling);
            }
            std::fs::read_to_string(&path).context(|| format!("cannot read {}", path.display()))?
        };
        let found = key_lines(&content);
        if found.is_empty() || content.contains("PRIVATE KEY") {
            return Err(spec
                .error(span, "this is not a public key, nor a file of public keys")
                .hint("a public key is one line such as \"ssh-ed25519 AAAA… you@host\", usually in a file ending in .pub"));
        }
        lines.push_str(&found);
    }
    Ok((lines, private))
}

fn key_lines(text: &str) -> String {
    let keys = text
        .lines()
        .map(str::trim)
        .filter(|line| line.split_whitespace().any(|word| word.starts_with("AAAA")));
    keys.map(|line| format!("{line}\n")).collect()
}

/// `$XDG_DATA_HOME/allno`, else `~/.local/share/allno` (XDG Base Directory Specification): outside the store, as
/// emptying the store must not lock anybody out.
fn key_folder() -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share")));
    data.map(|data| data.join("allno")).ok_or_else(|| {
        Error::host("no place for a key pair")
            .note("neither XDG_DATA_HOME nor HOME is set")
            .hint("export HOME=/root")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Place;
    use std::path::Path;

    /// A fixed key in every spec, so that no test makes a pair.
    const KEYS: &str = "[accounts]\nauthorized_keys = [\"ssh-ed25519 AAAAC3 me\"]\n";

    fn decided(text: &str) -> Result<Decisions> {
        let place = Place { path: "allno.toml".into(), text: format!("{KEYS}{text}") };
        let spec = SpecFile { spec: place.parse()?, folder: Path::new(".").into(), place };
        decide(&spec, &Overrides::default(), &Cancel::new())
    }

    fn refused(text: &str) -> (String, usize) {
        let error = decided(text).unwrap_err();
        assert_eq!(error.kind(), base::Kind::Input);
        (error.message().to_string(), error.snippet().map_or(0, |it| it.line))
    }

    #[test]
    fn an_empty_spec_is_the_node() {
        let decided = decided("").unwrap();
        assert_eq!(decided.machine.name, DEFAULT_MACHINE);
        let ip = decided.ip.unwrap().to_string();
        assert_eq!(ip, "ip=10.0.2.15::10.0.2.2:255.255.255.0:node:eth0:off:10.0.2.3");
    }

    #[test]
    fn dhcp_is_the_kernels() {
        assert_eq!(
            decided("[network]\naddress = \"dhcp\"").unwrap().ip.unwrap().to_string(),
            "ip=::::node:eth0:dhcp"
        );
    }

    #[test]
    fn what_makes_no_sense_points_at_its_line() {
        assert_eq!(refused("[network]\naddress = \"10.0.2.15\"").1, 4);
        assert_eq!(refused("[network]\naddress = \"10.0.2.15/24\"\ngateway = \"10.9.9.9\"").1, 5);
        assert_eq!(refused("[network]\ndns = [\"name\"]").1, 4);
        assert_eq!(refused("[machine]\nname = \"q36\"").1, 4);
        assert_eq!(refused("[machine]\nmemory = \"1M\"").1, 4);
        assert_eq!(refused("[userland]\ncrypto = \"some\"").1, 4);
        assert_eq!(refused("[userland]\nrecipes = [\"busybux\"]").1, 4);
        assert_eq!(refused("[initramfs]\ncompression = \"rar\"").1, 4);
    }

    #[test]
    fn the_user_cannot_be_root_and_keys_must_be_public() {
        for text in ["[accounts]\nuser = \"root\"", "[accounts]\nauthorized_keys = [\"/dev/null\"]"] {
            let place = Place { path: "allno.toml".into(), text: text.into() };
            let spec = SpecFile { spec: place.parse().unwrap(), folder: Path::new(".").into(), place };
            let decided = match spec.spec.accounts.user.as_ref() {
                Some(user) => account_name(&spec, user).map(drop),
                None => keys(&spec, &Cancel::new()).map(drop),
            };
            assert_eq!(decided.unwrap_err().snippet().unwrap().line, 2);
        }
    }
}
