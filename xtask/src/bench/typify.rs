//! Generates Rust from a JSON Schema by the library typify: its first argument names the schema, the second the output.
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(schema), Some(output)) = (arguments.next(), arguments.next()) else {
        return Err("name a schema and an output".into());
    };
    let schema: schemars::schema::RootSchema = serde_json::from_str(&std::fs::read_to_string(schema)?)?;
    let mut types = typify::TypeSpace::new(&typify::TypeSpaceSettings::default());
    types.add_root_schema(schema)?;
    let file = syn::parse2(types.to_stream())?;
    std::fs::write(output, prettyplease::unparse(&file))?;
    Ok(())
}
