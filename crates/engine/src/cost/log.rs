//! What kbuild says with V=2: what it makes, and why (kernel: `why` in scripts/Kbuild.include).

/// A line of kbuild's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// "CC", "AS", "AR", "LDS", "UPD"
    pub tool: String,
    /// The path below the object tree.
    pub target: String,
    /// Why.
    pub why: Why,
}

/// Why kbuild makes a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// These files are newer, and among them `include/config/SYMBOL` for each option that changed.
    Newer(Vec<String>),
    /// It is not there.
    Missing,
    /// The command is another one.
    Command,
    /// It is not known by which command it was made.
    NoRecord,
    /// It is made each time.
    Always,
    /// Nothing is said.
    Unsaid,
}

/// The target of a line of kbuild's short form; none for other lines.
pub fn made(line: &str) -> Option<Made> {
    let rest = line.strip_prefix("  ")?;
    let (tool, rest) = rest.split_once(' ')?;
    if tool.is_empty()
        || !tool.bytes().all(|byte| byte.is_ascii_uppercase() || b"+._-0123456789".contains(&byte))
    {
        return None;
    }
    let rest = rest.trim_start();
    // A part of a module.
    let rest = rest.strip_prefix("[M]").unwrap_or(rest).trim_start();
    let (target, why) = match rest.split_once(" - due to") {
        Some((target, why)) => (target, why_of(why)),
        None => (rest, Why::Unsaid),
    };
    let target = target.trim();
    let is_path = !target.is_empty() && !target.contains(' ');
    is_path.then(|| Made { tool: tool.to_string(), target: target.trim_start_matches("./").to_string(), why })
}

fn why_of(text: &str) -> Why {
    if let Some(files) = text.strip_prefix(':') {
        return Why::Newer(
            files.split_whitespace().map(|it| it.trim_start_matches("./").to_string()).collect(),
        );
    }
    match text.trim() {
        "target missing" => Why::Missing,
        "command line change" => Why::Command,
        "missing .cmd file" => Why::NoRecord,
        "target is PHONY" => Why::Always,
        text if text.ends_with("not in $(targets)") => Why::NoRecord,
        _ => Why::Unsaid,
    }
}

/// Whether it is an object compiled or assembled for the kernel; see the module's head.
pub fn is_object(made: &Made) -> bool {
    let target = made.target.as_str();
    let for_the_build = ["scripts/", "tools/", "/", "."].iter().any(|it| target.starts_with(it));
    matches!(made.tool.as_str(), "CC" | "AS") && target.ends_with(".o") && !for_the_build
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kbuilds_lines_are_understood() {
        let of = |line| made(line).unwrap();
        let due = of("  CC      init/main.o - due to: include/config/SMP ./include/generated/bounds.h");
        assert_eq!((due.tool.as_str(), due.target.as_str()), ("CC", "init/main.o"));
        let files = ["include/config/SMP", "include/generated/bounds.h"].map(String::from).to_vec();
        assert_eq!(due.why, Why::Newer(files));
        assert!(is_object(&due));
        assert_eq!(of("  CC [M]  fs/ext4/ext4.o - due to target missing").why, Why::Missing);
        assert_eq!(
            of("  AS      arch/x86/lib/iomap_copy_64.o - due to command line change").why,
            Why::Command
        );
        assert_eq!(of("  CC      a.o - due to a.o not in $(targets)").why, Why::NoRecord);
        assert!(!is_object(&of("  CC      kernel/bounds.s - due to: include/config/SMP")));
        assert!(!is_object(&of("  CC      scripts/mod/empty.o")));
        assert!(!is_object(&of("  CC      /o/tools/objtool/weak.o")));
        assert!(!is_object(&of("  AS      .tmp_vmlinux1.kallsyms.o")));
        assert!(!is_object(&of("  HOSTCC  scripts/basic/fixdep")));
        for other in ["make[1]: Entering directory '/x'", "  ", "", "   CC x", "  warning: something else"] {
            assert_eq!(made(other), None, "{other:?}");
        }
    }
}
