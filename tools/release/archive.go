package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"time"
)

// file is one of an archive's.
type file struct {
	name       string // with slashes
	content    []byte
	executable bool
}

func (f file) mode() fs.FileMode {
	if f.executable {
		return 0o755
	}
	return 0o644
}

// writeTar writes files into a folder of a compressed tar. Nothing in it depends on who packs it.
func writeTar(to, folder string, when time.Time, files []file) error {
	return create(to, func(out io.Writer) error {
		compressed := gzip.NewWriter(out)
		archive := tar.NewWriter(compressed)
		for _, f := range files {
			header := &tar.Header{
				Name:    path.Join(folder, f.name),
				Mode:    int64(f.mode()),
				Size:    int64(len(f.content)),
				ModTime: when,
			}
			if err := archive.WriteHeader(header); err != nil {
				return err
			}
			if _, err := archive.Write(f.content); err != nil {
				return err
			}
		}
		return errors.Join(archive.Close(), compressed.Close())
	})
}

// writeZip is writeTar for Windows.
func writeZip(to, folder string, when time.Time, files []file) error {
	return create(to, func(out io.Writer) error {
		archive := zip.NewWriter(out)
		for _, f := range files {
			header := &zip.FileHeader{
				Name:     path.Join(folder, f.name),
				Method:   zip.Deflate,
				Modified: when,
			}
			header.SetMode(f.mode())
			entry, err := archive.CreateHeader(header)
			if err != nil {
				return err
			}
			if _, err := entry.Write(f.content); err != nil {
				return err
			}
		}
		return archive.Close()
	})
}

// create writes a file. A half-written one would look like an archive, so it goes.
func create(name string, write func(io.Writer) error) error {
	out, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := errors.Join(write(out), out.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}
