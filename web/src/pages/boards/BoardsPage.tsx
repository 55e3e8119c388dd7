export function BoardsPage() { return null; }
