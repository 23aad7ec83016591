package settings

// Storage says how the storage account is built that is made. Replication into another tenant is
// never allowed: nothing of Azure ML uses it.
type Storage struct {
	// SharedKeys are the account's keys, with which the datastores of Azure ML open it at the API
	// version in use.
	SharedKeys bool
	// InfrastructureEncryption encrypts a second time. Azure takes it at creation alone.
	InfrastructureEncryption bool
}

func (s *Storage) defaults() {
	s.SharedKeys = true
	s.InfrastructureEncryption = true
}

func (s *Storage) fields() []field {
	return []field{
		{
			key:   "sharedKeys",
			value: flag(&s.SharedKeys),
			meaning: "Let the account's keys open it, as Azure ML's own datastores do. Before `false`, " +
				"run `az ml workspace update --system-datastores-auth-mode identity`, and give jobs " +
				"`azure.jobIdentityRoles`.",
			change: Change{
				Updates: []Part{PartStorage},
				Jobs:    JobsThatUse,
				Back:    BackWhole,
			},
		},
		{
			key:     "infrastructureEncryption",
			value:   flag(&s.InfrastructureEncryption),
			meaning: "Encrypt a second time.",
			change: Change{
				IsRefused: true,
				Note:      "Azure takes it when the account is made.",
				Jobs:      JobsGoOn,
				Back:      BackNever,
			},
		},
	}
}

// Logs says who reaches the Log Analytics workspace and the Application Insights that are made.
// What Azure itself sends by a diagnostic setting arrives in any case.
type Logs struct {
	PublicIngestion bool
	PublicQuery     bool
	// LocalAuth lets Application Insights take telemetry with its key and no identity, as online
	// endpoints send it. Log Analytics never does.
	LocalAuth bool
}

func (l *Logs) defaults() {
	l.PublicIngestion = true
	l.PublicQuery = true
	l.LocalAuth = true
}

func (l *Logs) fields() []field {
	return []field{
		{
			key:   "publicIngestion",
			value: flag(&l.PublicIngestion),
			meaning: "Take logs from any network. Without it jobs and endpoints need an Azure Monitor " +
				"private link scope.",
			change: Change{
				Updates: []Part{PartLogs, PartInsights},
				Jobs:    JobsGoOn,
				Back:    BackWhole,
			},
		},
		{
			key:     "publicQuery",
			value:   flag(&l.PublicQuery),
			meaning: "Answer queries from any network, the studio's included.",
			change: Change{
				Updates: []Part{PartLogs, PartInsights},
				Jobs:    JobsGoOn,
				Back:    BackWhole,
			},
		},
		{
			key:   "localAuth",
			value: flag(&l.LocalAuth),
			meaning: "Let Application Insights take telemetry with its key, as online endpoints send it. " +
				"Log Analytics takes none without an identity.",
			change: Change{
				Updates: []Part{PartInsights},
				Jobs:    JobsGoOn,
				Back:    BackWhole,
			},
		},
	}
}

// validateMade refuses what is said of something that is not made.
func (a *Azure) validateMade(r *report) {
	storage := Storage{}
	storage.defaults()
	if a.StorageAccountID != "" && a.Storage != storage {
		r.addf("azure.storage", "is for the storage account that the program makes, and "+
			"azure.storageAccountId names one that exists; remove one of the two")
	}
	logs := Logs{}
	logs.defaults()
	isMade := a.ApplicationInsightsID == "" || a.LogAnalyticsWorkspaceID == "" && a.Diagnostics
	if !isMade && a.Logs != logs {
		r.addf("azure.logs", "is for what the program makes, and azure.applicationInsightsId and "+
			"azure.logAnalyticsWorkspaceId name some that exist; remove azure.logs")
	}
}
