"""The gate: may this server, at this stage of a rollout, go out? Documents, targets and a policy make one verdict."""
