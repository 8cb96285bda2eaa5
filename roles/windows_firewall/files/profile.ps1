# Set one profile. ansible.windows.win_firewall knows neither its log nor AllowInboundRules.
param (
    [string]$Name, [string]$Enabled, [string]$DefaultInboundAction, [string]$DefaultOutboundAction,
    [string]$AllowInboundRules, [string]$NotifyOnListen, [string]$LogBlocked
)
Set-NetFirewallProfile @PSBoundParameters
