export function SchemaPage() { return null; }
