//! Kills our children's groups when we are gone, however we went. It is a shell that reads `+ GROUP` and
//! `- GROUP` lines from a pipe only we hold; the pipe's end is our end.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::sync::Mutex;

use rustix::process::Pid;

use super::Program;

// dash 0.5.12 takes "-s KILL" before a group, but not "-KILL --".
const SCRIPT: &str = r#"
groups=' '
while read -r sign group; do
    case $sign in
    +) groups="$groups$group " ;;
    -) case $groups in *" $group "*) groups="${groups%%" $group "*} ${groups#*" $group "}" ;; esac ;;
    esac
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
"#;

static WATCHDOG: Mutex<Option<Child>> = Mutex::new(None);

/// Starts it, so that a child's group can be told the moment it is there.
pub(super) fn wake() {
    write(b"");
}

pub(super) fn add(group: Pid) {
    write(format!("+ {}\n", group.as_raw_nonzero()).as_bytes());
}

pub(super) fn remove(group: Pid) {
    write(format!("- {}\n", group.as_raw_nonzero()).as_bytes());
}

/// Without a shell there is no watchdog; the group is still killed on every orderly way out.
fn write(line: &[u8]) {
    let mut watchdog = WATCHDOG.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if watchdog.is_none() {
        let shell = Program::new("/bin/sh").args(["-c", SCRIPT]).directory("/");
        let mut command = shell.command();
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        *watchdog = command.spawn().ok();
    }
    if let Some(stdin) = watchdog.as_mut().and_then(|child| child.stdin.as_mut()) {
        let _ = stdin.write_all(line);
    }
}
