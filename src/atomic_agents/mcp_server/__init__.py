"""The MCP door: agents as tools, memory as resources and as a search, for programs that speak MCP."""
