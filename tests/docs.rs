//! What the documentation says of the program, held against the program.

/// Every code of [`regsync::image::Code`], as its schema lists them.
fn codes() -> Vec<String> {
    let schema = schemars::schema_for!(regsync::image::Code).to_value();
    let variants = schema["oneOf"].as_array().expect("a schema with one entry for each code");
    variants.iter().map(|variant| variant["const"].as_str().expect("a constant").to_owned()).collect()
}

#[test]
fn every_error_code_is_explained_and_none_is_invented() {
    let page = include_str!("../docs/errors.md");
    let explained: Vec<&str> =
        page.lines().filter_map(|line| line.strip_prefix("| `E_")).filter_map(|rest| rest.split('`').next()).collect();
    let codes = codes();
    for code in &codes {
        assert!(explained.contains(&&code[2..]), "{code} is missing from docs/errors.md");
    }
    assert_eq!(explained.len(), codes.len(), "docs/errors.md explains codes that do not exist");
}
