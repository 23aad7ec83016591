package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

var errNoVault = errors.New("no Vault server: " +
	"install vault or bao, or build one with `go -C sandbox run ./bootstrap build`")

// Vault builds vaultd, unless there is another server or nothing of vaultd has changed.
func (b Builder) Vault(ctx context.Context) error {
	own := b.Executable("vaultd")
	found, err := FindVault()
	if err != nil && !errors.Is(err, errNoVault) {
		return err
	}
	if err == nil && found != own {
		return nil
	}
	source := filepath.Join(b.Module, "vaultd")
	if built, err := os.Stat(own); err == nil && !changedSince(source, built.ModTime()) {
		return nil
	}
	return b.Build(ctx, Command{
		What:    "a Vault server",
		Name:    "vaultd",
		Folder:  source,
		Package: ".",
		LDFlags: "-s -w",
	})
}

// changedSince tells whether a file of a folder is newer than a time, or cannot be looked at.
func changedSince(folder string, since time.Time) bool {
	changed := false
	err := filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if info.ModTime().After(since) {
			changed = true
			return fs.SkipAll
		}
		return nil
	})
	return changed || err != nil
}

// FindVault is the server that SANDBOX_VAULT names, the vault or bao on PATH, or the vaultd that
// was built in the repository around the working folder.
func FindVault() (string, error) {
	if named := os.Getenv("SANDBOX_VAULT"); named != "" {
		path, err := exec.LookPath(named)
		if err != nil {
			return "", fmt.Errorf("SANDBOX_VAULT: %w", err)
		}
		return filepath.Abs(path)
	}
	for _, name := range []string{"vault", "bao"} {
		path, err := exec.LookPath(name)
		if err == nil {
			return filepath.Abs(path)
		}
	}
	return builtVault()
}

// builtVault is the vaultd of the working folder or of a folder above it.
func builtVault() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("%w (working folder: %w)", errNoVault, err)
	}
	for {
		b := Builder{Bin: filepath.Join(folder, ".sandbox", "bin")}
		path := b.Executable("vaultd")
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
		above := filepath.Dir(folder)
		if above == folder {
			return "", errNoVault
		}
		folder = above
	}
}
