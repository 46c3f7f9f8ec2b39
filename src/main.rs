//! The command `memridge`.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
