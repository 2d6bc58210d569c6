/** The proxies that docs/proxies configures before one provider. */
import { testProxy } from "./proxy_steps.ts";

for (const name of ["nginx", "caddy"] as const) await testProxy(name, 1);
