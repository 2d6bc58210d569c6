/** The units of systemd (252 and later) that a provider runs by. */
import { madeFile } from "./up/made_file.ts";

/** How long a stop may take, seconds: what runs may end, then what is due is settled. */
const SETTLING_SECONDS = 60;
/** Of a run at the default limit, both its own and the next credit's time. */
const RUNS_SECONDS_DEFAULT = 30;

/** What differs between the machines of two providers. */
export interface ServiceShape {
  /** Keys, configuration and state. */
  readonly home: string;
  /** Where systemd listens for the provider; null: the provider does so itself. */
  readonly sockets: Sockets | null;
  /** How long runs may go on after a stop, seconds. */
  readonly runsSeconds?: number;
}

/** What systemd listens at, as a ListenStream= has it. */
export interface Sockets {
  /** Of calls, e.g. "443", or "127.0.0.1:8402" behind a proxy. */
  readonly listen: string;
  /** Of a certificate authority's questions; null: none are asked there. */
  readonly http: string | null;
}

/**
 * The service. It narrows what the provider process may touch; `Delegate` hands it its own cgroup
 * subtree for the programs, and the capabilities let them run as uids of their own: what the kernel
 * counts for each uid, none then uses up for the provider. /proc must stay whole (so neither
 * ProtectKernelTunables, ProtectKernelLogs nor ProtectProc): the kernel refuses a fresh /proc in a
 * sandbox when the outer one is masked. Nor may RestrictNamespaces=yes, ProtectHostname, a
 * SystemCallFilter, or RestrictAddressFamilies without AF_NETLINK be added: bubblewrap fails under
 * each. It is started anew for ever, as what it may lack (a chain that answers) comes by itself.
 */
export function systemdUnit(
  { home, sockets, runsSeconds = RUNS_SECONDS_DEFAULT }: ServiceShape,
): string {
  const units = sockets ? socketUnits(sockets).map(({ name }) => name).join(" ") : "";
  return madeFile(`[Unit]
Description=Khachapuri provider
After=network-online.target nss-lookup.target time-sync.target ${units}
Wants=network-online.target
${sockets ? `Requires=${units}\n` : ""}StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=all
User=khachapuri
ExecStart=/usr/local/bin/khachapuri serve --wait --home ${home}
ExecReload=/usr/local/bin/khachapuri reload --home ${home}
Restart=always
RestartSec=5
TimeoutStartSec=300
TimeoutStopSec=${runsSeconds + SETTLING_SECONDS}
KillMode=mixed
${sockets ? `Sockets=${units}\n` : "AmbientCapabilities=CAP_NET_BIND_SERVICE\n"}\
AmbientCapabilities=CAP_SETUID CAP_SETGID CAP_SETPCAP CAP_KILL
Delegate=yes
TasksMax=infinity
LimitNOFILE=65536
LogRateLimitIntervalSec=30
LogRateLimitBurst=20000
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
`).replaceAll(/ +\n/g, "\n");
}

/**
 * The sockets, one unit for each name that a descriptor is passed under: calls that come while the
 * provider starts anew wait in them, and a port below 1024 needs no right of the provider's.
 */
export function socketUnits({ listen, http }: Sockets): { name: string; text: string }[] {
  const unit = (name: string, what: string, stream: string, descriptor: string) => ({
    name,
    text: madeFile(`[Unit]
Description=${what}

[Socket]
ListenStream=${stream}
Service=khachapuri.service
FileDescriptorName=${descriptor}
Backlog=4096
NoDelay=true

[Install]
WantedBy=sockets.target
`),
  });
  return [
    unit("khachapuri.socket", "Calls to the Khachapuri provider", listen, "listen"),
    ...http === null
      ? []
      : [unit("khachapuri-http.socket", "The Khachapuri provider's port 80", http, "http")],
  ];
}
