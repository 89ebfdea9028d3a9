# Set-up and the everyday commands. Needs rust, make and gcc; everything else is installed by `allno doctor --install`
# (Debian and its children; as root or through sudo; elsewhere it prints the line to type and stops).

# Variables to give on make's command line: SPEC (a spec or its folder), FLAGS (more arguments for allno boot).
SPEC =
FLAGS =

# cargo run, not target/release/allno: CARGO_TARGET_DIR may be elsewhere. It becomes allno, so exit codes pass.
RELEASE = cargo run --release --quiet --locked --package allno --

.PHONY: boot build test doctor clean

# Builds a Linux from source and boots it: into its console on a terminal, else checked and powered off.
boot: build
	$(RELEASE) doctor --install
	$(RELEASE) boot $(SPEC) $(FLAGS)

build:
	cargo build --release --locked --package allno

# Every test, real boots included.
test: build
	$(RELEASE) doctor --install --tests
	.ci/test

doctor: build
	$(RELEASE) doctor

# What cargo made. What allno fetched and built is in its store: allno gc.
clean:
	cargo clean
