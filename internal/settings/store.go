package settings

// Store is what one stack has in Vault, in the form of before [Settings] knew it by itself. It goes
// as soon as nobody asks for it: use the methods of Settings.
type Store struct {
	*Settings

	Fingerprint     string
	Mount, Prefix   string
	CreateMount     bool
	Credentials     []StoreCredential
	AuthPath        string
	CreateBackend   bool
	DeleteOnDestroy bool
	SkipChildToken  bool
}

// StoreCredential is one secret of a Store.
type StoreCredential struct {
	Name        string
	DisableRead bool
}

// Access is what the stack has in Vault.
func (s *Settings) Access() Store {
	store := Store{
		Settings:        s,
		Fingerprint:     s.Fingerprint(),
		Mount:           s.Vault.Mount,
		Prefix:          s.Vault.Prefix,
		CreateMount:     s.Vault.CreateMount,
		AuthPath:        s.Workload.AuthPath,
		CreateBackend:   s.Workload.CreateAuthBackend,
		DeleteOnDestroy: s.Vault.DeleteOnDestroy,
		SkipChildToken:  s.Vault.SkipChildToken,
	}
	for _, credential := range s.Credentials {
		store.Credentials = append(store.Credentials, StoreCredential{
			Name:        credential.Name,
			DisableRead: s.WritesOnly(credential),
		})
	}
	return store
}

// Name is [Settings.VaultName].
func (s Store) Name() string { return s.VaultName() }

// Paths are [Settings.CredentialPaths].
func (s Store) Paths() map[string]string { return s.CredentialPaths() }

// Owner is [Settings.OwnerLabels].
func (s Store) Owner() map[string]string { return s.OwnerLabels() }

// Description is [Settings.BackendDescription].
func (s Store) Description() string { return s.BackendDescription() }
