//! x
use assert_cmd as _;
#[test]
fn a() {
    assert_cmd::Command::cargo_bin("memridge").unwrap();
}
