"""The SignalR binding: the JSON hub protocol, version 1, and negotiation, versions 0 and 1; both roles, no sockets.

Sources: HubProtocol.md and TransportProtocols.md of dotnet/aspnetcore.
"""
