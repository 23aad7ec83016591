package settings

// Subnet is a subnet of the user's own that a setting names.
type Subnet struct {
	// Key is the setting.
	Key string
	// ID is its ARM id.
	ID string
	// HasNodes says that jobs run in it, on nodes that may have no public address.
	HasNodes bool
}

// Subnets are the subnets that the settings name.
func (s *Settings) Subnets() []Subnet {
	var all []Subnet
	if endpoints := s.Azure.PrivateEndpoints; endpoints != nil {
		all = append(all, Subnet{Key: "azure.privateEndpoints.subnetId", ID: endpoints.SubnetID})
	}
	if serverless := s.Azure.ServerlessComputeSettings; serverless != nil {
		all = append(all, Subnet{
			Key:      "azure.serverlessComputeSettings.subnetId",
			ID:       serverless.SubnetID,
			HasNodes: true,
		})
	}
	for i, cluster := range s.Compute {
		if cluster.SubnetID != "" {
			key := element("compute", i) + ".subnetId"
			all = append(all, Subnet{Key: key, ID: cluster.SubnetID, HasNodes: true})
		}
	}
	return all
}
