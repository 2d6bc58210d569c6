/** The texts that `init` writes for a provider. */

/** A beginning for the provider's terms; callers' deployments sign the hash of the final text. */
export const TERMS_TEMPLATE = (name: string): string =>
  `Terms and conditions of ${name}

1. I run the programs you deploy to me, as long as your escrow holds credits for me at my price.
2. One credit pays for one run within the limits that my page states. A run that fails or times
   out by the program's own doing costs its credit; one that fails by mine costs nothing.
3. You deploy nothing that is against the law where I am, that attacks others, or that tries to
   leave its sandbox. I may stop a deployment that does.
4. I keep no copy of request or response bodies. I keep what accounting needs: who paid, when,
   how much, which deployment.
5. I promise care, not uptime. What I owe you for damage is at most what you paid me in the last
   month.

Edit this text before you serve: everything above is an example, not advice. A deployment signs
the exact bytes, so add a new file for a new version and list both in config.json, newest first.
`;

/**
 * A unit for systemd ≥ 252. It narrows what the provider process may touch; `Delegate` hands it its
 * own cgroup subtree for the programs. /proc must stay whole (so neither ProtectKernelTunables nor
 * ProtectProc): the kernel refuses a fresh /proc in a sandbox when the outer one is masked.
 */
export function systemdUnit(home: string): string {
  return `[Unit]
Description=Khachapuri provider
After=network-online.target
Wants=network-online.target

[Service]
User=khachapuri
ExecStart=/usr/local/bin/khachapuri serve --home ${home}
Restart=on-failure
RestartSec=2
TimeoutStopSec=60
KillMode=mixed
Delegate=yes
LimitNOFILE=65536
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=tmpfs
BindPaths=${home}
PrivateTmp=yes
PrivateDevices=yes
UMask=0077
Environment=XDG_CACHE_HOME=${home}/cache

[Install]
WantedBy=multi-user.target
`;
}
