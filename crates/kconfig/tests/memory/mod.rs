//! A world in memory: files, an environment, answers of commands, and what was said.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io;

use kconfig::host::{ConfHost, Host, ShellAnswer};

/// See the module.
#[derive(Default)]
pub struct Memory {
    pub files: RefCell<BTreeMap<String, Vec<u8>>>,
    pub environment: BTreeMap<String, String>,
    /// Answers that are there only after `finish`.
    pub answers: BTreeMap<String, String>,
    /// Commands asked, in order.
    pub asked: RefCell<Vec<String>>,
    ready: RefCell<bool>,
    pub output: String,
    pub errors: String,
    pub input: VecDeque<String>,
    ended: bool,
}

impl Memory {
    /// A world with one Kconfig file.
    pub fn with(kconfig: &str) -> Memory {
        let memory = Memory::default();
        memory.put("Kconfig", kconfig);
        memory
    }

    /// A variable of the environment.
    pub fn set(mut self, name: &str, value: &str) -> Memory {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// A line of standard input.
    pub fn hears(mut self, line: &str) -> Memory {
        self.input.push_back(format!("{line}\n"));
        self
    }

    pub fn put(&self, name: &str, text: &str) {
        self.files.borrow_mut().insert(name.into(), text.as_bytes().to_vec());
    }

    /// A file's text; nothing if it is not there.
    pub fn text(&self, name: &str) -> String {
        String::from_utf8_lossy(self.files.borrow().get(name).map_or(&[], Vec::as_slice)).into_owned()
    }

    /// Runs `conf` with one mode on Kconfig; gives its exit code.
    pub fn conf(&mut self, mode: &str) -> i32 {
        let arguments = ["conf", mode, "Kconfig"].map(String::from);
        kconfig::conf::run(&arguments, self)
    }

    /// The `.config`'s lines that are not comments in its heading.
    pub fn config(&self) -> Vec<String> {
        let text = self.text(".config");
        let kept = |line: &&str| line.starts_with("CONFIG_") || line.ends_with(" is not set");
        text.lines().filter(kept).map(String::from).collect()
    }
}

impl Host for Memory {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.files.borrow().get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn environment(&self, name: &str) -> Option<String> {
        self.environment.get(name).cloned()
    }

    fn ask(&self, command: &str) -> Option<ShellAnswer> {
        self.asked.borrow_mut().push(command.into());
        let answer = self.answers.get(command).map_or("", String::as_str);
        self.ready.borrow().then(|| ShellAnswer { output: answer.as_bytes().to_vec() })
    }

    fn finish(&self) -> io::Result<()> {
        *self.ready.borrow_mut() = true;
        Ok(())
    }
}

impl ConfHost for Memory {
    fn exists(&self, path: &str) -> bool {
        self.files.borrow().contains_key(path)
    }

    fn is_folder(&self, _path: &str) -> bool {
        false
    }

    fn write(&self, path: &str, content: &[u8]) -> io::Result<()> {
        self.files.borrow_mut().insert(path.into(), content.to_vec());
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let content = self.files.borrow_mut().remove(from).ok_or(io::ErrorKind::NotFound)?;
        self.files.borrow_mut().insert(to.into(), content);
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.files.borrow_mut().remove(path).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn make_folder(&self, _path: &str) -> io::Result<()> {
        Ok(())
    }

    fn say(&mut self, bytes: &[u8]) {
        self.output.push_str(&String::from_utf8_lossy(bytes));
    }

    fn complain(&mut self, bytes: &[u8]) {
        self.errors.push_str(&String::from_utf8_lossy(bytes));
    }

    fn hear(&mut self, limit: usize) -> Option<Vec<u8>> {
        let line = self.input.pop_front();
        self.ended |= line.is_none();
        line.map(|line| line.into_bytes().into_iter().take(limit).collect())
    }

    fn input_ended(&self) -> bool {
        self.ended
    }

    fn on_terminal(&self) -> bool {
        false
    }

    fn number(&self) -> u32 {
        1
    }

    fn seed(&self) -> u32 {
        1
    }
}
