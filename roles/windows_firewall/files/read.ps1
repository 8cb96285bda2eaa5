# What the firewall of this host says, in its own words. Nothing is changed.
$Ansible.Changed = $false

$firewall = New-Object -ComObject HNetCfg.FwPolicy2
$properties = @(
    'Name', 'Description', 'Grouping', 'Enabled', 'Direction', 'Action', 'Profiles', 'Protocol'
    'LocalAddresses', 'RemoteAddresses', 'LocalPorts', 'RemotePorts', 'IcmpTypesAndCodes'
    'ApplicationName', 'ServiceName', 'InterfaceTypes', 'EdgeTraversalOptions', 'SecureFlags'
)
$rules = foreach ($rule in $firewall.Rules) {
    # Of the outbound ones those that block: they may have the name of one that is to be changed.
    if ($rule.Direction -eq 1 -or ($rule.Enabled -and $rule.Action -eq 0)) {
        $found = @{}
        foreach ($name in $properties) { $found[$name] = $rule.$name }
        $found
    }
}

$settings = @(
    'Enabled', 'DefaultInboundAction', 'DefaultOutboundAction'
    'AllowInboundRules', 'NotifyOnListen', 'LogBlocked'
)
$profiles = @{}
foreach ($name in 'Domain', 'Private', 'Public') {
    $there = Get-NetFirewallProfile -Name $name
    $profiles[$name] = @{}
    foreach ($setting in $settings) { $profiles[$name][$setting] = "$($there.$setting)" }
}

$Ansible.Result = @{
    machine = (Get-ItemProperty -LiteralPath 'HKLM:\SOFTWARE\Microsoft\Cryptography').MachineGuid
    login = "$env:SSH_CONNECTION" # client, its port, server, its port
    modify_state = [int]$firewall.LocalPolicyModifyState
    rules = @($rules)
    profiles = $profiles
}
