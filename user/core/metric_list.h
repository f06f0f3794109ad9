/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The rows of metrics.h. What counts flows, packets and drops of listeners and servers is in lists.h. */
#ifndef XLB_CORE_METRIC_LIST_H
#define XLB_CORE_METRIC_LIST_H

/* X(NAME, word, help): what a scrape can be narrowed to */
#define XLB_METRIC_SCOPES(X) \
	X(BUILD, build, "version and the daemon's own process") \
	X(CONFIG, config, "revision and changes") \
	X(INTERFACE, interface, "attachments and their packets") \
	X(DROPS, drops, "dropped packets by reason") \
	X(LOAD_BALANCER, load_balancer, "load balancers and their addresses") \
	X(LISTENER, listener, "traffic by listener") \
	X(TLS, tls, "tls listeners, their certificates, HAProxy") \
	X(GROUP, server_group, "sums over the servers of a group") \
	X(SERVER, server, "state and traffic by server") \
	X(HEALTH, health, "health checks") \
	X(SNAT, snat, "SNAT ports") \
	X(FLOWS, flows, "the flow table and the other id spaces")

#define LABELS_LISTENER "load_balancer, listener"
#define LABELS_SERVER	"server_group, server"

/* X(NAME, word, kind, scope, labels, help) */
#define XLB_METRICS(X) \
	X(BUILD_INFO, xlb_build_info, INFO, BUILD, "version, kernel, xlb_instance", \
	  "Version of xlbd, the kernel it runs on, its instance.") \
	X(PROCESS_START, process_start_time_seconds, GAUGE, BUILD, "", \
	  "When xlbd started, in Unix time.") \
	X(PROCESS_CPU, process_cpu_seconds_total, COUNTER, BUILD, "", \
	  "User and system time that xlbd has used.") \
	X(PROCESS_RESIDENT, process_resident_memory_bytes, GAUGE, BUILD, "", \
	  "Resident memory of xlbd.") \
	X(REVISION, xlb_config_revision, GAUGE, CONFIG, "", \
	  "Revision of the running configuration.") \
	X(FILE_DIFFERS, xlb_config_file_differs, GAUGE, CONFIG, "", \
	  "1 while the configuration file exists and is another configuration than the running one.") \
	X(PENDING, xlb_config_pending, GAUGE, CONFIG, "", \
	  "1 while something known (a change, health, news of the network) is not in the maps yet.") \
	X(APPLY_SUCCESS, xlb_config_last_apply_success, GAUGE, CONFIG, "", \
	  "1 if the last change succeeded; absent before the first since xlbd started.") \
	X(APPLY_TIME, xlb_config_last_apply_timestamp_seconds, GAUGE, CONFIG, "", \
	  "When the last change ended; absent before the first since xlbd started.") \
	X(OPERATIONS, xlb_operations_total, COUNTER, CONFIG, "type, result", \
	  "Changes by users (type change) and reactions to health and network (type reconcile), by success or failure.") \
	X(INTERFACE_ATTACHED, xlb_interface_attached, GAUGE, INTERFACE, "interface, mode", \
	  "1 while attached in this mode; mode is none, and the value 0, while not attached.") \
	X(INTERFACE_UP, xlb_interface_up, GAUGE, INTERFACE, "interface", \
	  "1 while the interface exists and is up.") \
	X(INTERFACE_MTU, xlb_interface_mtu_bytes, GAUGE, INTERFACE, "interface", \
	  "MTU of the interface; absent while it does not exist.") \
	X(DROPS, xlb_drops_total, COUNTER, DROPS, "interface, reason", \
	  "Packets dropped, or answered with RST instead of being forwarded.") \
	X(LB_FLOWS, xlb_load_balancer_flows, GAUGE, LOAD_BALANCER, "load_balancer", \
	  "Flows through the VIPs, as of the last sweep.") \
	X(LB_ADDRESS, xlb_load_balancer_address_present, GAUGE, LOAD_BALANCER, \
	  "load_balancer, address", "1 while the VIP is on the host.") \
	X(LISTENER_FLOWS, xlb_listener_flows, GAUGE, LISTENER, LABELS_LISTENER, \
	  "Flows, as of the last sweep.") \
	X(TLS_UP, xlb_tls_up, GAUGE, TLS, "", \
	  "1 while HAProxy runs; absent without tls listeners.") \
	X(TLS_MAX, xlb_tls_connections_max, GAUGE, TLS, "", \
	  "Connections of clients that all tls listeners together may hold.") \
	X(TLS_RELOADS, xlb_tls_reloads_total, COUNTER, TLS, "", \
	  "How often HAProxy took another configuration.") \
	X(TLS_LISTENER_UP, xlb_tls_listener_up, GAUGE, TLS, LABELS_LISTENER, \
	  "1 while the listener takes connections.") \
	X(TLS_OPEN, xlb_tls_connections, GAUGE, TLS, LABELS_LISTENER, \
	  "Connections of clients that are open.") \
	X(TLS_HANDSHAKES, xlb_tls_handshakes_total, COUNTER, TLS, LABELS_LISTENER ", result", \
	  "Handshakes by how they ended: full, resumed, failed.") \
	X(TLS_VERSIONS, xlb_tls_versions_total, COUNTER, TLS, LABELS_LISTENER ", version", \
	  "Handshakes that succeeded, by version.") \
	X(TLS_FAILED, xlb_tls_handshake_failures_total, COUNTER, TLS, LABELS_LISTENER ", reason", \
	  "Handshakes that failed, by reason, as far as xlbd has run.") \
	X(TLS_SERVER_ERRORS, xlb_tls_server_errors_total, COUNTER, TLS, LABELS_LISTENER, \
	  "Connections to servers that failed.") \
	X(TLS_EXPIRES, xlb_tls_certificate_expires_timestamp_seconds, GAUGE, TLS, \
	  LABELS_LISTENER ", certificate, names", \
	  "When a certificate of the listener's, or one of its chain, expires.") \
	X(GROUP_FLOWS, xlb_server_group_flows, GAUGE, GROUP, "server_group", \
	  "Flows to the servers of the group, as of the last sweep.") \
	X(GROUP_SERVERS, xlb_server_group_servers, GAUGE, GROUP, "server_group", \
	  "Servers configured.") \
	X(GROUP_UP, xlb_server_group_servers_up, GAUGE, GROUP, "server_group", \
	  "Servers with an address that is up.") \
	X(GROUP_FAIL_OPEN, xlb_server_group_fail_open, GAUGE, GROUP, "server_group", \
	  "1 while new flows go to servers that are known to be down.") \
	X(GROUP_FALLBACK, xlb_server_group_fallback, GAUGE, GROUP, "server_group, family", \
	  "1 while new flows of the family's clients go to another group, by fallback; absent without one.") \
	X(SERVER_UP, xlb_server_up, GAUGE, SERVER, LABELS_SERVER, \
	  "1 if an address of the server is up or not checked.") \
	X(SERVER_STATE, xlb_server_state, GAUGE, SERVER, LABELS_SERVER ", state", \
	  "1 for the state that the server is in, 0 for the others.") \
	X(SERVER_WEIGHT, xlb_server_weight, GAUGE, SERVER, LABELS_SERVER, "Weight as configured.") \
	X(SERVER_EFFECTIVE_WEIGHT, xlb_server_effective_weight, GAUGE, SERVER, LABELS_SERVER, \
	  "Weight as it counts now: less than configured while the server starts slowly.") \
	X(SERVER_SHARE, xlb_server_share_ratio, GAUGE, SERVER, LABELS_SERVER ", kind", \
	  "Share of the group's new flows: by weight among the enabled servers (want), and among those that get any now (table).") \
	X(SERVER_FLOWS, xlb_server_flows, GAUGE, SERVER, LABELS_SERVER, \
	  "Flows, as of the last sweep.") \
	X(NEIGHBOUR_UP, xlb_neighbour_up, GAUGE, SERVER, LABELS_SERVER, \
	  "1 while the MAC address of the next hop of every address is known.") \
	X(CHECKS, xlb_health_checks_total, COUNTER, HEALTH, LABELS_SERVER ", result", \
	  "Health checks by result.") \
	X(TRANSITIONS, xlb_health_transitions_total, COUNTER, HEALTH, LABELS_SERVER ", to", \
	  "Changes of an address's health.") \
	X(LAST_CHANGE, xlb_health_last_change_timestamp_seconds, GAUGE, HEALTH, LABELS_SERVER, \
	  "When the health of an address changed last.") \
	X(CHECK_DURATION, xlb_health_check_duration_seconds, HISTOGRAM, HEALTH, "server_group", \
	  "How long health checks took, those that timed out included.") \
	X(SNAT_PORTS, xlb_snat_ports, GAUGE, SNAT, LABELS_SERVER ", address", \
	  "Ports of the SNAT address usable towards the server.") \
	X(SNAT_USED, xlb_snat_ports_used, GAUGE, SNAT, LABELS_SERVER ", address", \
	  "Ports of the SNAT address taken towards the server, also those that rest after their flow.") \
	X(FLOWS, xlb_flows, GAUGE, FLOWS, "", "Flows, as of the last sweep.") \
	X(FLOWS_MAX, xlb_flows_max, GAUGE, FLOWS, "", \
	  "Flows of each family that the flow tables may grow to.") \
	X(FLOW_TABLE_BYTES, xlb_flow_table_bytes, GAUGE, FLOWS, "", \
	  "Memory that the flow tables take now, in bytes.") \
	X(FLOWS_EXPIRED, xlb_flow_expired_total, COUNTER, FLOWS, "reason", \
	  "Flows that the sweep has ended: idle, closed (it was over), cut (drained, reset or removed), denied (by new rules).") \
	X(FLOWS_EVICTED, xlb_flow_evictions_total, COUNTER, FLOWS, "", \
	  "Closed flows that gave up their SNAT port early, because others had none.") \
	X(MAP_ENTRIES, xlb_map_entries, GAUGE, FLOWS, "map", \
	  "Entries in use; of flow tables without those of half-open flows.") \
	X(MAP_CAPACITY, xlb_map_capacity, GAUGE, FLOWS, "map", "Entries that there is room for.")

#endif
